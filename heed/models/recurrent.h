#pragma once

#include <vector>

#include "heed/models/encoder_decoder.h"
#include "heed/nn/embedding.h"
#include "heed/nn/parameter_store.h"
#include "heed/nn/recurrent.h"

namespace heed {

class ConfigReader;

/// The sizes and choices of a recurrent encoder-decoder, by the names of config.json, whose
/// model_type is "recurrent".
struct RecurrentConfig {
  RecurrentCell cell = RecurrentCell::lstm;  // cell: "lstm" or "gru"
  bool attention = false;                    // attention: additive
  int64_t source_vocab = 0;                  // vocab_size
  int64_t target_vocab = 0;                  // target_vocab_size; absent: vocab_size
  int64_t width = 0;                         // d_model: of embeddings and states
  int64_t layers = 1;                        // num_layers
  bool shared = true;                        // share_embeddings: one table for source and target
  bool tied = true;                          // tie_word_embeddings: and for the output

  /// Error corrupt_data for a field of the wrong type or range, unsupported for another cell.
  static RecurrentConfig read(const ConfigReader& file);
};

/// How its weights start, as nn.LSTM's do: uniform in [-1 / sqrt(C), 1 / sqrt(C)).
InitRule recurrent_init(int64_t width);

/// What came before the Transformer. "Sequence to sequence learning with neural networks"
/// (Sutskever et al., 2014): all that the decoder knows of the source is the encoder's final state.
/// With attention (Bahdanau et al., 2015) each step also reads a weighted sum of the encoder's
/// states, chosen by the step before. A word at a time: nothing of a step can begin before the one
/// before it is done. Weights: "embeddings" (or "source_embeddings", "target_embeddings"),
/// "encoder" and "decoder" as nn.LSTM and nn.GRU name them, "attention", "output" where not tied.
class Recurrent : public EncoderDecoder {
 public:
  Recurrent(const RecurrentConfig& config, const Params& params);

  const EncoderDecoderFacts& facts() const override { return facts_; }
  Memory encode(const EncoderInput& source, const Run& run = {}) const override;
  Tensor decode(const Tensor& ids, const Memory& memory, const Run& run = {}) const override;
  bool caches() const override { return false; }
  const Tensor& output_weight() const override { return output_weight_; }
  Tensor logits(const Tensor& states) const override { return output_(states); }

 private:
  std::vector<RecurrentState> states_of(const Memory& memory) const;
  Tensor attend(const Tensor& words, const Memory& memory, std::vector<RecurrentState>& states,
                const Run& run) const;

  EncoderDecoderFacts facts_;
  RecurrentCell cell_;
  bool attends_;
  Embedding source_words_;
  Embedding target_words_;
  std::vector<RecurrentLayer> encoder_;
  std::vector<RecurrentLayer> decoder_;
  AdditiveAttention attention_;
  Tensor output_weight_;  // [V, C]
  Linear output_;
};

}  // namespace heed
