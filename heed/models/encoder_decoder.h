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
  int64_t encoder_heads = 0;
  int64_t decoder_heads = 0;
  int64_t max_tokens = 0;  // on either side
  /// Distances or recurrence in place of positions: no text is too long for the model itself, and
  /// max_tokens is where its arithmetic ends.
  bool any_length = false;
  int64_t source_vocab = 0;
  int64_t target_vocab = 0;
  /// A source is a text's tokens and the end, whatever template the tokenizer has.
  bool plain_sources = false;
};

/// What a decoder needs of the source, made once a text.
struct Memory {
  Tensor states;                  // [B, S, C]
  std::vector<int64_t> lengths;   // [B] real tokens of each row; empty: all S
  std::vector<Tensor> last = {};  // [B, C] each: a recurrent model's final state; else none

  /// The memory whose row i is row which[i] of this one. A single row is repeated without a copy.
  Memory rows(const std::vector<int64_t>& which) const;
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
  /// What output_weight() multiplies, of ids [B, T] i32, each of which sees itself, those before it
  /// and its row's memory -> [B, T, C]. Padding at the right is seen by no real token. Errors as
  /// encode().
  virtual Tensor decode(const Tensor& ids, const Memory& memory, const Run& run = {}) const = 0;

  /// Whether decode() takes a Run's cache.
  virtual bool caches() const { return true; }

  /// The rows that states are compared with, [V, C]: logits = state W^T + b. A loss that never
  /// stores the logits takes both as they are.
  virtual const Tensor& output_weight() const = 0;
  /// b [V]; undefined where there is none.
  virtual Tensor output_bias() const { return {}; }
  /// What stands between the decoder's last block and logits(): states [..., C] as an Observer sees
  /// them after any block but the last -> [..., C].
  virtual Tensor final_norm(const Tensor& states) const { return states; }
  /// states [..., C] -> [..., V], what softmax makes the next token's probabilities of.
  virtual Tensor logits(const Tensor& states) const = 0;
};

}  // namespace heed
