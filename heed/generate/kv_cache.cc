#include "heed/generate/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <tuple>
#include <utility>

#include "heed/base/error.h"

namespace heed {
namespace {

constexpr int32_t kFreed = -1;

}  // namespace

/// Pages of every layer, by number, and how many rows hold each.
class KvPool {
 public:
  explicit KvPool(const KvCacheOptions& options) : options_(options) {
    const DType dtype = options.dtype;
    if (dtype != DType::f32 && dtype != DType::bf16 && dtype != DType::f16) {
      throw Error(ErrorCode::invalid_argument, "cache: the dtype must be f32, bf16 or f16 but is " +
                                                   std::string(to_string(dtype)));
    }
    if (options.page_tokens < 1) {
      throw Error(ErrorCode::invalid_argument, "cache: pages must hold at least 1 token but hold " +
                                                   std::to_string(options.page_tokens));
    }
  }

  int64_t page_tokens() const { return options_.page_tokens; }
  int64_t pages_of(int64_t tokens) const { return (tokens + page_tokens() - 1) / page_tokens(); }
  int64_t pages_held() const { return capacity_ - static_cast<int64_t>(free_.size()); }
  int64_t bytes() const {
    int64_t bytes = 0;
    for (const Layer& layer : layers_) {
      for (const Tensor& pages : {layer.k, layer.v}) {
        if (pages) bytes += pages.numel() * size_of(pages.dtype());
      }
    }
    return bytes;
  }

  /// Makes room for so many calls of take().
  void reserve(int64_t pages) {
    const int64_t missing = pages - static_cast<int64_t>(free_.size());
    if (missing <= 0) return;
    const int64_t capacity = std::max(capacity_ + missing, capacity_ + capacity_ / 2);
    // what may fail comes first: a page that can be taken has its place in every layer
    for (Layer& layer : layers_) grow(layer, capacity);
    holders_.resize(static_cast<size_t>(capacity));
    free_.reserve(static_cast<size_t>(capacity));
    for (int64_t page = capacity - 1; page >= capacity_; --page) {
      free_.push_back(static_cast<int32_t>(page));
    }
    capacity_ = capacity;
  }
  int32_t take() {
    const int32_t page = free_.back();
    free_.pop_back();
    holders_[static_cast<size_t>(page)] = 1;
    return page;
  }
  void share(int32_t page) { ++holders_[static_cast<size_t>(page)]; }
  bool shared(int32_t page) const { return holders_[static_cast<size_t>(page)] > 1; }
  void drop(int32_t page) noexcept {
    if (--holders_[static_cast<size_t>(page)] == 0) free_.push_back(page);
  }
  /// The first `tokens` of a page, in a page of their own.
  int32_t copy(int32_t page, int64_t tokens) {
    const int32_t to = take();
    for (const Layer& layer : layers_) {
      for (const Tensor& pages : {layer.k, layer.v}) {
        if (pages) copy_tokens(pages, page, to, tokens);
      }
    }
    return to;
  }

  /// A layer's pages for keys and values like these, [B, G, T, size]; the table is not set.
  KvPages layer(int64_t index, const Tensor& k, const Tensor& v) {
    const auto at = static_cast<size_t>(index);
    if (layers_.size() <= at) layers_.resize(at + 1);
    Layer& layer = layers_[at];
    if (!layer.k) {
      const auto pages = [&](const Tensor& like) {
        return Tensor::empty({capacity_, like.size(1), page_tokens(), like.size(3)},
                             options_.dtype);
      };
      layer = {pages(k), pages(v)};
    }
    return {layer.k, layer.v, Tensor()};
  }

 private:
  struct Layer {
    Tensor k;  // [P, G, N, D]
    Tensor v;  // [P, G, N, E]
  };

  static Tensor grown(const Tensor& pages, int64_t capacity) {
    if (!pages || pages.size(0) >= capacity) return pages;
    Shape shape = pages.shape();
    shape[0] = capacity;
    const Tensor larger = Tensor::empty(shape, pages.dtype());
    const int64_t bytes = pages.numel() * size_of(pages.dtype());
    std::memcpy(larger.raw_data(), pages.raw_data(), static_cast<size_t>(bytes));
    return larger;
  }

  static void grow(Layer& layer, int64_t capacity) {
    layer = {grown(layer.k, capacity), grown(layer.v, capacity)};
    release_cached_memory();  // the old pages are of no use to anybody
  }

  static void copy_tokens(const Tensor& pages, int32_t from, int32_t to, int64_t tokens) {
    const int64_t size = size_of(pages.dtype());
    for (int64_t g = 0; g < pages.size(1); ++g) {
      const auto at = [&](int32_t page) {
        return pages.raw_data() + (page * pages.stride(0) + g * pages.stride(1)) * size;
      };
      std::memcpy(at(to), at(from), static_cast<size_t>(tokens * pages.stride(2) * size));
    }
  }

  KvCacheOptions options_;
  std::vector<Layer> layers_;
  int64_t capacity_ = 0;          // pages of each layer
  std::vector<int32_t> holders_;  // of each page
  std::vector<int32_t> free_;     // pages that no row holds
};

KvRow::KvRow(const KvRow& other)
    : pool_(other.pool_), pages_(other.pages_), tokens_(other.tokens_) {
  for (const int32_t page : pages_) {
    if (page != kFreed) pool_->share(page);
  }
}

KvRow::KvRow(KvRow&& other) noexcept
    : pool_(std::move(other.pool_)),
      pages_(std::exchange(other.pages_, {})),
      tokens_(std::exchange(other.tokens_, 0)) {}

KvRow& KvRow::operator=(KvRow other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(pages_, other.pages_);
  std::swap(tokens_, other.tokens_);
  return *this;
}

KvRow::~KvRow() { keep(0); }

/// Gives pages after the first `pages` back: a run that failed took them.
void KvRow::keep(int64_t pages) noexcept {
  for (; std::ssize(pages_) > pages; pages_.pop_back()) {
    if (pages_.back() != kFreed) pool_->drop(pages_.back());
  }
}

void KvRow::free_before(int64_t token) {
  const int64_t pages = std::min(token, tokens_) / pool_->page_tokens();
  for (int64_t i = pages - 1; i >= 0 && pages_[static_cast<size_t>(i)] != kFreed; --i) {
    pool_->drop(std::exchange(pages_[static_cast<size_t>(i)], kFreed));
  }
}

int64_t KvRow::freed() const {
  const auto first = std::ranges::find_if(pages_, [](int32_t page) { return page != kFreed; });
  return pool_ == nullptr ? 0 : (first - pages_.begin()) * pool_->page_tokens();
}

KvRow KvRow::first(int64_t tokens) const {
  KvRow row(pool_);
  row.tokens_ = std::min(tokens, tokens_);
  const int64_t pages = pool_->pages_of(row.tokens_);
  row.pages_.assign(pages_.begin(), pages_.begin() + pages);
  for (const int32_t page : row.pages_) {
    if (page != kFreed) pool_->share(page);
  }
  return row;
}

KvCache::KvCache(const KvCacheOptions& options) : pool_(std::make_shared<KvPool>(options)) {}
void KvCache::reserve(const std::vector<std::pair<int64_t, int64_t>>& texts) const {
  int64_t pages = 0;
  for (const auto& [before, after] : texts) {
    pages += pool_->pages_of(after) - pool_->pages_of(before);
  }
  pool_->reserve(pages);
}
int64_t KvCache::pages() const { return pool_->pages_held(); }
int64_t KvCache::bytes() const { return pool_->bytes(); }

void KvMemory::set_rows(const std::vector<int64_t>& sources) {
  table_ = Tensor::empty({std::ssize(sources), 1}, DType::i32);
  std::ranges::transform(sources, table_.data<int32_t>(),
                         [](int64_t source) { return static_cast<int32_t>(source); });
}

KvPages KvMemory::layer(int64_t index, const KvStep::MakeKeys& make) {
  const auto at = static_cast<size_t>(index);
  if (layers_.size() <= at) layers_.resize(at + 1);
  KvPages& kept = layers_[at];
  if (!kept.k) std::tie(kept.k, kept.v) = make();
  kept.table = table_;
  return kept;
}

KvRun::KvRun(std::vector<KvRow*> rows, const std::vector<int64_t>& counts, KvMemory* memory)
    : rows_(std::move(rows)), memory_(memory) {
  HEED_ASSERT(!rows_.empty() && rows_.size() == counts.size());
  KvPool& pool = *rows_[0]->pool_;
  const auto writes_into_shared = [&](const KvRow& row) {
    return row.tokens_ % pool.page_tokens() != 0 &&
           pool.shared(row.pages_[static_cast<size_t>(row.tokens_ / pool.page_tokens())]);
  };
  int64_t most = 0, wanted = 0;
  for (size_t i = 0; i < rows_.size(); ++i) {
    HEED_ASSERT(rows_[i]->pool_.get() == &pool);
    before_.push_back(rows_[i]->tokens_);
    after_.push_back(before_[i] + counts[i]);
    const int64_t pages = pool.pages_of(after_[i]);
    rows_[i]->keep(pages);
    most = std::max(most, pages);
    wanted += pages - std::ssize(rows_[i]->pages_) + (writes_into_shared(*rows_[i]) ? 1 : 0);
  }
  pool.reserve(wanted);
  table_ = Tensor::zeros({std::ssize(rows_), most}, DType::i32);
  int32_t* entries = table_.data<int32_t>();
  for (size_t i = 0; i < rows_.size(); ++i, entries += most) {
    KvRow& row = *rows_[i];
    if (writes_into_shared(row)) {
      int32_t& last = row.pages_[static_cast<size_t>(row.tokens_ / pool.page_tokens())];
      const int32_t own = pool.copy(last, row.tokens_ % pool.page_tokens());
      pool.drop(std::exchange(last, own));
    }
    while (std::ssize(row.pages_) < pool.pages_of(after_[i])) row.pages_.push_back(pool.take());
    // no token sees what was let go of, so that any page may stand for it
    std::ranges::replace_copy(row.pages_, entries, kFreed, int32_t{0});
  }
}

KvPages KvRun::put(int64_t layer, const Tensor& k, const Tensor& v) {
  KvPages pages = rows_[0]->pool_->layer(layer, k, v);
  pages.table = table_;
  write_pages(pages, k, v, {before_, after_});
  return pages;
}

KvPages KvRun::memory(int64_t layer, const MakeKeys& make) {
  HEED_ASSERT(memory_ != nullptr);
  return memory_->layer(layer, make);
}

void KvRun::finish() {
  for (size_t i = 0; i < rows_.size(); ++i) rows_[i]->tokens_ = after_[i];
}

}  // namespace heed
