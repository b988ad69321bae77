#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

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
  /// follows the rows. Error invalid_argument for a row longer than max_tokens().
  virtual Tensor next(const std::vector<std::vector<int32_t>>& rows,
                      std::span<const int64_t> parents) = 0;
  /// Tokens that a row may have.
  virtual int64_t max_tokens() const = 0;
};

/// A causal language model that reads the rows anew at every step.
class CausalStepper : public Stepper {
 public:
  explicit CausalStepper(std::shared_ptr<const CausalModel> model) : model_(std::move(model)) {}
  Tensor next(const std::vector<std::vector<int32_t>>& rows,
              std::span<const int64_t> parents) override;
  int64_t max_tokens() const override { return model_->facts().max_tokens; }

 private:
  std::shared_ptr<const CausalModel> model_;
};

/// The same of an encoder-decoder that writes from the memory of one source.
class MemoryStepper : public Stepper {
 public:
  MemoryStepper(std::shared_ptr<const EncoderDecoder> model, Memory memory)
      : model_(std::move(model)), memory_(std::move(memory)) {}
  Tensor next(const std::vector<std::vector<int32_t>>& rows,
              std::span<const int64_t> parents) override;
  int64_t max_tokens() const override { return model_->facts().max_tokens; }

 private:
  std::shared_ptr<const EncoderDecoder> model_;
  Memory memory_;  // of one row
};

}  // namespace heed
