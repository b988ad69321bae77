#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "heed/nn/run.h"
#include "heed/ops/mask.h"
#include "heed/tensor/tensor.h"

namespace heed {

/// A padded batch of token sequences; the padding is at the right.
struct EncoderInput {
  Tensor ids;                    // [B, T] i32; what padded places hold does not matter
  std::vector<int64_t> lengths;  // [B] real tokens of each row; empty: all T
  Tensor type_ids;               // [B, T] i32, which text of a pair a token is from; absent: 0

  /// Rows of ids of any lengths (type_ids empty or of the same lengths) as one padded batch.
  /// Errors as check_rows.
  static EncoderInput from_rows(const std::vector<std::vector<int32_t>>& ids,
                                const std::vector<std::vector<int32_t>>& type_ids = {});
};

/// Error invalid_argument for no rows, an empty one, or type ids of another shape.
void check_rows(const std::vector<std::vector<int32_t>>& ids,
                const std::vector<std::vector<int32_t>>& type_ids);

/// Which keys are real; full rows need no mask. lengths [B] or empty. Error invalid_argument, told
/// as the operation's, for lengths that do not fit.
Mask padding_mask(std::string_view operation, const std::vector<int64_t>& lengths, int64_t batch,
                  int64_t tokens);

struct EncoderFacts {
  std::string architecture;  // "bert"
  int64_t width = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t max_tokens = 0;  // positions the model has
  int64_t vocab = 0;
  int64_t types = 0;  // kinds of type ids
};

/// A model that reads a whole text at once: token ids to a vector for each token. Safe to call from
/// many threads.
class Encoder {
 public:
  virtual ~Encoder() = default;
  virtual const EncoderFacts& facts() const = 0;

  /// The last hidden state [B, T, C]; at padded places its values mean nothing. A row's values do
  /// not depend on the other rows nor on the padding, bit for bit. Error invalid_argument names an
  /// id outside the vocabulary, a text longer than max_tokens, lengths that do not fit.
  virtual Tensor operator()(const EncoderInput& input, const Run& run = {}) const = 0;

  /// Whether the checkpoint has weights for pooled().
  virtual bool has_pooler() const = 0;
  /// What transformers calls pooler_output: [B, C] from the last hidden state [B, T, C]. Error
  /// unsupported without a pooler.
  virtual Tensor pooled(const Tensor& last_hidden_state) const = 0;
};

}  // namespace heed
