#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "heed/io/json.h"
#include "heed/models/heads.h"
#include "heed/text/tokenizer.h"
#include "heed/train/config.h"
#include "heed/train/model_rules.h"

namespace heed {

/// What a model is trained from: sizes alone, or a checkpoint.
struct ModelStart {
  std::filesystem::path folder;           // the checkpoint's; empty: from scratch
  Json config;                            // config.json of the result
  std::map<std::string, Tensor> weights;  // by the result's names; a head that lacks starts anew
  HeadNames head;                         // of an encoder for a task
  std::vector<std::string> labels;        // id2label of the result
  bool from_checkpoint() const { return !folder.empty(); }
};

/// The result's config.json; messages name the file that it comes from.
ConfigReader config_of(const ModelStart& start);

/// config.json as the result's folder has it: without what was true of the checkpoint alone, the
/// dtype of its numbers (the result's are f32, and transformers would round them) and, where
/// labels are learnt, how many it had and how they went together (each text has one).
Json result_config(const ModelStart& start);

/// What transformers' class with a head has before the names of a checkpoint without one
/// ("transformer." of GPT2Model's); "" where the names are that class's already, as start_encoder
/// makes an encoder's.
std::string before_names(const ModelStart& start);

/// A causal language model: GPT-2's sizes of the settings, or a checkpoint as it is.
ModelStart start_causal(const TrainConfig& settings, const Tokenizer& tokenizer);

/// A checkpoint's encoder, or a new BERT, as transformers' class for the task has it
/// ("RobertaForMaskedLM"): its weights get the prefix that such classes have ("roberta."), and
/// heads of other tasks go. labels: those of the data; a checkpoint that has the same keeps their
/// order, and with it its head. Error unsupported for a model without such a head.
ModelStart start_encoder(const TrainConfig& settings, const Tokenizer& tokenizer, HeadTask task,
                         const std::vector<std::string>& labels);

/// An encoder-decoder: the 2017 Transformer, or a checkpoint as it is.
ModelStart start_translator(const TrainConfig& settings, const Tokenizer& tokenizer);

/// The longest row in tokens: `block`, or what the model reads if that is shorter and block was not
/// asked for. Error invalid_argument if it was.
int64_t longest_row(const TrainConfig& settings, const Json& config, const char* positions);
/// The same of an encoder: RoBERTa's first positions are no text's.
int64_t longest_text(const TrainConfig& settings, const ModelStart& start);

}  // namespace heed
