#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "heed/generate/kv_cache.h"
#include "heed/models/causal.h"
#include "heed/models/encoder_decoder.h"

namespace heed {

/// A model in the middle of texts: what a decoding strategy asks, whatever the model is and
/// whatever it remembers from step to step.
class Stepper {
 public:
  virtual ~Stepper() = default;
  /// Logits [R, V] of the token after each row. From the second call on row i is row parents[i] of
  /// the call before with one more token (parents is empty at the first call), so that a cache
  /// follows the rows; a row may have no child, or several. Error invalid_argument for a row longer
  /// than max_tokens(); cancelled where a stop is asked for meanwhile.
  virtual Tensor next(const std::vector<std::vector<int32_t>>& rows,
                      std::span<const int64_t> parents) = 0;
  /// Tokens that a row may have.
  virtual int64_t max_tokens() const = 0;
};

/// What happens when a text has as many tokens as the model has positions.
enum class ContextEnd {
  stop,   // it ends there: max_tokens() says so
  slide,  // the oldest tokens but the first few are left out, half a window at a time
};

struct CachedStepperOptions {
  KvCacheOptions cache = {};
  ContextEnd at_end = ContextEnd::stop;
  /// Tokens at the beginning that stay when the window slides: where attention rests (Xiao et al.,
  /// "Efficient streaming language models with attention sinks", 2023).
  int64_t sinks = 4;
  /// Of a model that sees a window alone, tokens before it that are kept all the same: a text that
  /// goes back by no more than that (an answer cut off, another one tried) is not read anew.
  int64_t kept_tokens = 1024;
};

/// The tokens that a text is read by where a window slides: all of the text while it fits into
/// `positions`; then its first `sinks` and those after a gap, which grows by half of the rest of
/// the window whenever the window is full. A function of the text's length alone. Error
/// invalid_argument if there is no room beside the sinks.
std::vector<int32_t> sliding_window(const std::vector<int32_t>& text, int64_t positions,
                                    int64_t sinks);

/// A causal language model that keeps keys and values of what it has read: a step reads one token a
/// row. Rows share the pages of what they have in common, and keep sharing them when beams part.
///
/// It remembers the rows of the last call: a new text (no parents) that begins as one of them did
/// is read from where they differ on. So one stepper, kept from turn to turn, is a session of a
/// chat. Logits are those of the whole text read anew, but for rounding (and that of the cache's
/// dtype). With ContextEnd::slide they are, bit for bit in the same sense, those of
/// sliding_window(row): what is left out is hidden from all tokens, positions are counted without
/// it, and when the gap grows, what stands after it is read again. One thread at a time.
class CachedStepper : public Stepper {
 public:
  /// Errors as KvCache(); invalid_argument for sinks that leave no room.
  explicit CachedStepper(std::shared_ptr<const CausalModel> model,
                         const CachedStepperOptions& options = {});
  Tensor next(const std::vector<std::vector<int32_t>>& rows,
              std::span<const int64_t> parents) override;
  int64_t max_tokens() const override;

  /// Who watches the runs from now on (null: nobody): reports are of the tokens that a run reads.
  void watch(Observer* observer) { observer_ = observer; }
  /// Tokens of the last call's rows that had been read before, in that call or in earlier ones.
  int64_t reused_tokens() const { return reused_tokens_; }
  /// Pages that its texts hold; those that a model's window has left behind are let go of.
  int64_t cache_pages() const { return cache_.pages(); }
  /// What the cache takes.
  int64_t cache_bytes() const { return cache_.bytes(); }

 private:
  struct Text {
    std::vector<int32_t> ids;
    KvRow kept;    // of the first ids
    Tensor state;  // [C], of the last one, once it is read
    int64_t left() const { return static_cast<int64_t>(ids.size()) - kept.tokens(); }
  };
  Text continued(const std::vector<int32_t>& ids, std::span<const Text> sources) const;
  int64_t usable_tokens(const Text& source, const std::vector<int32_t>& ids) const;
  void read(const std::vector<Text*>& texts);
  void read_some(std::vector<Text*> texts);
  void read_all(bool are_new);

  std::shared_ptr<const CausalModel> model_;
  CachedStepperOptions options_;
  KvCache cache_;
  std::vector<Text> texts_;  // of the last call
  Observer* observer_ = nullptr;
  int64_t reused_tokens_ = 0;
};

/// An encoder-decoder that writes from the memories of some sources. It keeps the keys and values
/// of what it has written and those that cross-attention has of the sources, so that a step reads
/// one token a row; a model that does not cache (EncoderDecoder::caches()) reads its rows anew. In
/// a first call row i is of source i, or all rows of the only one. One thread at a time.
class MemoryStepper : public Stepper {
 public:
  /// Errors as KvCache().
  MemoryStepper(std::shared_ptr<const EncoderDecoder> model, Memory memory,
                const KvCacheOptions& options = {});
  Tensor next(const std::vector<std::vector<int32_t>>& rows,
              std::span<const int64_t> parents) override;
  int64_t max_tokens() const override { return model_->facts().max_tokens; }

 private:
  struct Text {
    int64_t source;
    KvRow kept;  // of what has been read
  };
  Tensor read(const EncoderInput& input);

  std::shared_ptr<const EncoderDecoder> model_;
  Memory memory_;
  KvCache cache_;
  KvMemory kept_;
  std::vector<Text> texts_;       // of the last call
  std::vector<int64_t> sources_;  // of the last call's rows
  Memory read_;                   // theirs
};

}  // namespace heed
