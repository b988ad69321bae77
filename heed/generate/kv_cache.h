#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "heed/ops/kv_pages.h"

namespace heed {

struct KvCacheOptions {
  DType dtype = DType::f32;   // f32, bf16 or f16, rounded to nearest
  int64_t page_tokens = 128;  // attention reads pages of its chunks' size where they lie
};

class KvPool;

/// Keys and values of a text's first tokens. A value: a copy shares the pages, and who writes into
/// a shared one gets its own copy of it first.
class KvRow {
 public:
  KvRow() = default;
  explicit KvRow(std::shared_ptr<KvPool> pool) : pool_(std::move(pool)) {}
  KvRow(const KvRow& other);
  KvRow(KvRow&& other) noexcept;
  KvRow& operator=(KvRow other) noexcept;
  ~KvRow();

  int64_t tokens() const { return tokens_; }
  /// The same text's first `tokens`, at most those there are.
  KvRow first(int64_t tokens) const;
  /// Lets go of pages whose tokens all stand before `token`: nobody may look at them any more.
  void free_before(int64_t token);
  /// Tokens at the beginning that were let go of.
  int64_t freed() const;

 private:
  friend class KvRun;
  void keep(int64_t pages) noexcept;
  std::shared_ptr<KvPool> pool_;
  std::vector<int32_t> pages_;  // all but the last are full; -1 for those let go of
  int64_t tokens_ = 0;
};

/// Memory for the keys and values of any number of texts, in pages that they share where they
/// begin alike. It grows as they do, and pages that no row holds any more are used again. Layers
/// and heads are what the first run brings. One thread at a time.
class KvCache {
 public:
  /// Error invalid_argument for a dtype that is none of the three, or pages of no tokens.
  explicit KvCache(const KvCacheOptions& options = {});
  /// A text of no tokens yet.
  KvRow row() const { return KvRow(pool_); }
  /// Makes room at once for texts to grow from the first of each pair's tokens to the second: less
  /// memory than growing on the way takes.
  void reserve(const std::vector<std::pair<int64_t, int64_t>>& texts) const;
  /// Pages that rows hold, and what memory all pages take.
  int64_t pages() const;
  int64_t bytes() const;

 private:
  std::shared_ptr<KvPool> pool_;
};

/// Keys and values that cross-attention has of some sources, layer by layer: the first run makes
/// them of all sources, those that follow read them. One thread at a time.
class KvMemory {
 public:
  /// Which source each row of the next run reads. [R]
  void set_rows(const std::vector<int64_t>& sources);
  KvPages layer(int64_t index, const KvStep::MakeKeys& make);

 private:
  std::vector<KvPages> layers_;  // a page a source
  Tensor table_;                 // [R, 1]
};

/// One run of a model over the next tokens of some rows of a cache: what Run::cache points to.
class KvRun : public KvStep {
 public:
  /// counts[i] more tokens of rows[i]; the rows, and the memory of a model that has one, must
  /// outlive the run.
  KvRun(std::vector<KvRow*> rows, const std::vector<int64_t>& counts, KvMemory* memory = nullptr);

  const std::vector<int64_t>& before() const override { return before_; }
  const std::vector<int64_t>& after() const override { return after_; }
  KvPages put(int64_t layer, const Tensor& k, const Tensor& v) override;
  KvPages memory(int64_t layer, const MakeKeys& make) override;
  /// Every layer is through: the rows have the new tokens. Without it they stay as they were.
  void finish();

 private:
  std::vector<KvRow*> rows_;
  std::vector<int64_t> before_, after_;
  Tensor table_;  // [B, M]
  KvMemory* memory_;
};

}  // namespace heed
