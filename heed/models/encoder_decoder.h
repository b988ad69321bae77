#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "heed/models/encoder.h"
#include "heed/nn/run.h"
#include "heed/tensor/tensor.h"

namespace heed {

struct EncoderDecoderFacts {
  std::string architecture;  // "transformer2017"
  int64_t width = 0;
  int64_t encoder_layers = 0;
  int64_t decoder_layers = 0;
  int64_t heads = 0;
  int64_t max_tokens = 0;  // positions on either side
  int64_t source_vocab = 0;
  int64_t target_vocab = 0;
};

/// What a decoder needs of the source, made once a text.
struct Memory {
  Tensor states;                  // [B, S, C]
  std::vector<int64_t> lengths;   // [B] real tokens of each row; empty: all S
  std::vector<Tensor> last = {};  // [B, C] each: a recurrent model's final state; else none

  /// A memory of one row as that of `count` rows, without a copy.
  Memory repeated(int64_t count) const;
};

/// A model that reads one text whole and writes another one token by token. Safe to call from many
/// threads.
class EncoderDecoder {
 public:
  virtual ~EncoderDecoder() = default;
  virtual const EncoderDecoderFacts& facts() const = 0;

  /// Error invalid_argument names an id outside the vocabulary, a text longer than max_tokens,
  /// lengths that do not fit.
  virtual Memory encode(const EncoderInput& source, const Run& run = {}) const = 0;
  /// The decoder's states of ids [B, T] i32, each of which sees itself, those before it and its
  /// row's memory -> [B, T, C]. Padding at the right is seen by no real token. Errors as encode().
  virtual Tensor decode(const Tensor& ids, const Memory& memory, const Run& run = {}) const = 0;

  /// The rows that states are compared with, [V, C]: logits = state W^T. A loss that never stores
  /// the logits takes it as it is.
  virtual const Tensor& output_weight() const = 0;
  /// states [..., C] -> [..., V], what softmax makes the next token's probabilities of.
  virtual Tensor logits(const Tensor& states) const = 0;
};

}  // namespace heed
