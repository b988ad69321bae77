#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "heed/models/config.h"
#include "heed/models/encoder.h"
#include "heed/models/registry.h"
#include "heed/nn/layer_norm.h"
#include "heed/nn/linear.h"

namespace heed {

// What stands on an encoder for a task, with weights named as the families' classes in transformers
// have them: BertForMaskedLM, RobertaForSequenceClassification and so on.

enum class HeadTask {
  classify,       // ForSequenceClassification: N classes of the text
  tag,            // ForTokenClassification: N tags of each token
  answer,         // ForQuestionAnswering: how well an answer starts, and ends, at each token
  choose,         // ForMultipleChoice: how good this choice is
  fill,           // ForMaskedLM: the token that stands at each place
  next_sentence,  // ForNextSentencePrediction: 0 if the second text follows the first, else 1
  replaced,       // ELECTRA's ForPreTraining: whether each token was replaced
};

/// The classes of a config.json, by id: id2label, or LABEL_0 and so on where it is left out
/// (num_labels, else two). Error corrupt_data for ids that are not 0 to N - 1. Internal: not
/// installed.
std::vector<std::string> read_labels(const ConfigReader& config);

/// What a checkpoint with a task's head holds, for training that begins from one without it.
struct HeadNames {
  std::string class_name;  // transformers': "RobertaForMaskedLM"
  std::string base;        // before the encoder's names: "roberta"
  std::string pooler;      // the encoder's product that the head reads: "pooler.dense"; or none
  std::vector<std::string> steps;  // paths of the head's weights but for those of the last product
  std::string output;              // of the last product, or of its bias where the matrix is tied

  /// Whether such a checkpoint has a weight of that name.
  bool has(std::string_view name) const;
  /// Whether the weight belongs to the last product, which a new set of labels starts anew.
  bool is_output(std::string_view name) const;
};

/// Error unsupported for a model without such a head.
HeadNames head_names(HeadTask task, const ConfigReader& config);

/// An encoder with a task's products on it. features() is what the last one multiplies; a loss may
/// take it as it is, or logits() compute it.
class EncoderHead {
 public:
  /// labels: N of classify and tag. Error unsupported for a family without such a head.
  EncoderHead(HeadTask task, std::shared_ptr<const Encoder> encoder, const ConfigReader& config,
              const Params& params, int64_t labels = 2);

  /// Whether the family ("bert") has such a head.
  static bool exists(HeadTask task, const std::string& family);
  /// A weight that no checkpoint without this head has.
  static std::string needed_weight(HeadTask task, const std::string& family,
                                   const ConfigReader& config);

  /// [B, C] of classify, choose and next_sentence, else [B, T, C].
  Tensor features(const EncoderInput& input, const Run& run = {}) const {
    return features_of((*encoder_)(input, run), run);
  }
  /// The same of the last hidden state [B, T, C].
  Tensor features_of(const Tensor& last_hidden_state, const Run& run = {}) const;
  const LinearWeights& output() const { return output_; }
  /// [B, N] or [B, T, N].
  Tensor logits(const EncoderInput& input, const Run& run = {}) const;
  Tensor logits_of(const Tensor& last_hidden_state) const;
  const Encoder& encoder() const { return *encoder_; }
  HeadTask task() const { return task_; }

 private:
  friend HeadNames head_names(HeadTask task, const ConfigReader& config);
  enum class Reads { pooled, first, each };
  struct Layout;

  HeadTask task_;
  std::shared_ptr<const Encoder> encoder_;
  Reads reads_;
  bool drops_input_ = false;
  std::optional<Linear> dense_;
  Activation activation_ = Activation::none;
  std::optional<LayerNorm> norm_;
  LinearWeights output_;
};

/// A folder's encoder with the head for a task. Errors as load_encoder's, unsupported for a family
/// without such a head, not_found for a checkpoint without its weights.
std::shared_ptr<const EncoderHead> load_head(const std::filesystem::path& folder, HeadTask task);

/// An encoder with what stands on it.
struct EncoderWithHeads {
  std::shared_ptr<const Encoder> encoder;
  std::vector<std::shared_ptr<const EncoderHead>> heads;
};
/// The heads are those that config.json's architectures names and the weights are there for: one,
/// of ...ForPreTraining several, none of a bare encoder or a causal model.
EncoderWithHeads load_with_heads(const std::filesystem::path& model,
                                 const LoadOptions& options = {});

}  // namespace heed
