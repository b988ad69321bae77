#pragma once

#include "heed/models/encoder.h"

namespace heed {

/// A model in which a token sees itself and what stands before it alone, so that its state tells
/// what comes next. As an Encoder it gives the states after the final norm; padding at the right is
/// seen by no real token.
class CausalModel : public Encoder {
 public:
  /// The states of ids [B, T] i32 -> [B, T, C]. Errors as an Encoder's.
  Tensor hidden(const Tensor& ids, const Run& run = {}) const { return (*this)({.ids = ids}, run); }

  /// The rows that states are compared with, [V, C]: logits = state W^T. A loss that never stores
  /// the logits takes it as it is. Undefined where the model has it in blocks.
  virtual const Tensor& output_weight() const = 0;
  /// What stands between the last block and the output: states [..., C] as an Observer sees them
  /// after any block but the last, whose are normed already -> [..., C].
  virtual Tensor final_norm(const Tensor& states) const = 0;
  /// states [..., C] -> [..., V], what softmax makes the next token's probabilities of.
  virtual Tensor logits(const Tensor& states) const = 0;

  /// How many tokens, itself included, a token sees in every layer; 0 where one sees all before it.
  virtual int64_t memory_tokens() const { return 0; }

  bool has_pooler() const final { return false; }
  Tensor pooled(const Tensor& last_hidden_state) const final;
};

}  // namespace heed
