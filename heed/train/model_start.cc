#include "heed/train/model_start.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/io/adapter.h"
#include "heed/io/gguf.h"
#include "heed/io/hub.h"
#include "heed/io/safetensors.h"
#include "heed/models/model_files.h"

namespace heed {
namespace {

/// Error for a vocabulary that the model has no row for.
void check_vocabulary(const Json& config, const Tokenizer& tokenizer,
                      const std::filesystem::path& folder) {
  const int64_t rows = config.value("vocab_size", int64_t{0});
  if (tokenizer.vocab_size() <= rows) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: the model has {} embeddings but its tokenizer {} tokens; the "
                          "tokenizer belongs to another model",
                          folder.string(), rows, tokenizer.vocab_size()));
}

/// Fields of config.json that are read before a model reads it: what is of another kind is told as
/// a model would; null is as if absent.
void check_fields(Json& config, const std::filesystem::path& file) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  constexpr std::array<const char*, 9> kCounts = {
      "vocab_size",  "type_vocab_size", "n_layer", "n_positions", "max_position_embeddings",
      "hidden_size", "d_model",         "n_embd",  "dim"};
  const ConfigReader reader(config, file.string());
  reader.text("model_type", "");
  for (const char* field : kCounts) reader.integer(field, 0, kMost, 0);
  std::vector<std::string> absent{"model_type"};
  absent.insert(absent.end(), kCounts.begin(), kCounts.end());
  for (const std::string& field : absent) {
    if (!reader.has(field.c_str())) config.erase(field);
  }
}

ModelStart from_checkpoint(const TrainConfig& settings, const Tokenizer& tokenizer) {
  ModelStart start;
  start.folder = find_model(settings.model);
  if (is_gguf(start.folder)) {
    throw Error(ErrorCode::unsupported,
                fmt::format("train: needed a folder of safetensors to begin from, found the GGUF "
                            "file {}; heed convert {} --save FOLDER --dtype f32 makes one",
                            start.folder.string(), settings.model));
  }
  start.config = read_json(model_file(start.folder, "config.json"));
  if (!start.config.is_object()) {
    throw Error(ErrorCode::corrupt_data,
                (start.folder / "config.json").string() + ": needed an object");
  }
  check_fields(start.config, start.folder / "config.json");
  check_vocabulary(start.config, tokenizer, start.folder);
  set_usual_dropout(start.config);
  const Checkpoint checkpoint = Checkpoint::open(start.folder);
  for (const auto& [name, entry] : checkpoint.entries()) {
    if (!is_buffer(name)) start.weights[name] = checkpoint.load(name);
  }
  return start;
}

/// Rates of dropout, by config.json's names: what was asked for, or from scratch the default.
void set_dropout(Json& config, const TrainConfig& settings, bool scratch,
                 std::initializer_list<const char*> names) {
  if (!scratch && !settings.has("dropout")) return;
  for (const char* name : names) config[name] = settings.dropout;
}

int64_t feed_forward_of(const TrainConfig& settings) {
  return settings.feed_forward > 0 ? settings.feed_forward : 4 * settings.width;
}

void check_heads(const TrainConfig& settings) {
  if (settings.width % settings.heads == 0) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("train: width {} must be a multiple of heads {}", settings.width,
                          settings.heads));
}

Json gpt2_config(const TrainConfig& settings, const Tokenizer& tokenizer) {
  check_heads(settings);
  const auto end = tokenizer.id_of("<|endoftext|>");
  const Json end_id = end ? Json(*end) : Json();  // absent, transformers takes GPT-2's, 50256
  return {{"architectures", {"GPT2LMHeadModel"}},
          {"model_type", "gpt2"},
          {"vocab_size", tokenizer.vocab_size()},
          {"n_positions", settings.block},
          {"n_embd", settings.width},
          {"n_layer", settings.layers},
          {"n_head", settings.heads},
          {"n_inner", feed_forward_of(settings)},
          {"activation_function", "gelu_new"},
          {"layer_norm_epsilon", 1e-5},
          {"initializer_range", kInitDeviation},
          {"bos_token_id", end_id},
          {"eos_token_id", end_id},
          {"tie_word_embeddings", true}};
}

Json bert_config(const TrainConfig& settings, const Tokenizer& tokenizer) {
  check_heads(settings);
  const auto pad = tokenizer.pad_id();  // absent, it is 0, whose token would never learn
  return {{"model_type", "bert"},
          {"vocab_size", tokenizer.vocab_size()},
          {"hidden_size", settings.width},
          {"num_hidden_layers", settings.layers},
          {"num_attention_heads", settings.heads},
          {"intermediate_size", feed_forward_of(settings)},
          {"hidden_act", "gelu"},
          {"max_position_embeddings", settings.block},
          {"type_vocab_size", 2},
          {"layer_norm_eps", 1e-12},
          {"initializer_range", kInitDeviation},
          {"pad_token_id", pad ? Json(*pad) : Json()}};
}

/// What the names of an encoder alone begin with, where no class with a head has them.
constexpr std::array<std::string_view, 5> kOfEncoder = {"embeddings", "embeddings_project",
                                                        "encoder", "pooler", "transformer"};

/// Names as a class with a head has them; what belongs to other heads goes, and so does a last
/// product for other labels.
std::map<std::string, Tensor> weights_under(const HeadNames& head, bool same_labels,
                                            const std::map<std::string, Tensor>& weights) {
  std::map<std::string, Tensor> kept;
  for (const auto& [name, tensor] : weights) {
    // a checkpoint of the encoder alone
    const bool bare = std::ranges::count(kOfEncoder, name.substr(0, name.find('.'))) > 0;
    const std::string full = bare ? head.base + "." + name : name;
    if (head.has(full) && (same_labels || !head.is_output(full))) kept[full] = tensor;
  }
  return kept;
}

/// The labels as a checkpoint's id2label orders them, if it has the same ones; else as they are.
std::vector<std::string> in_order_of(const Json& id2label, const std::vector<std::string>& labels) {
  if (!id2label.is_object() || id2label.size() != labels.size()) return labels;
  std::vector<std::string> ordered;
  for (size_t id = 0; id < labels.size(); ++id) {
    const auto found = id2label.find(std::to_string(id));
    if (found == id2label.end() || !found->is_string()) return labels;
    ordered.push_back(found->get<std::string>());
  }
  return std::ranges::is_permutation(ordered, labels) ? ordered : labels;
}

void set_labels(Json& config, const std::vector<std::string>& labels) {
  if (labels.empty()) return;
  config["id2label"] = Json::object();
  config["label2id"] = Json::object();
  for (size_t id = 0; id < labels.size(); ++id) {
    config["id2label"][std::to_string(id)] = labels[id];
    config["label2id"][labels[id]] = id;
  }
}

/// transformers leaves whole layers out at random where BART's config says so.
void warn_of_dropped_layers(const ConfigReader& config) {
  for (const char* field : {"encoder_layerdrop", "decoder_layerdrop"}) {
    const double rate = config.number(field, 0, 1, 0);
    if (rate == 0) continue;
    log(LogLevel::warning, fmt::format("{}: {} is {}, but Heed leaves out no layers in training",
                                       config.where(), field, rate));
  }
}

}  // namespace

ConfigReader config_of(const ModelStart& start) {
  return {start.config, start.from_checkpoint() ? (start.folder / "config.json").string()
                                                : "config.json of the new model"};
}

Json result_config(const ModelStart& start) {
  Json config = start.config;
  for (const char* field : {"dtype", "torch_dtype"}) config.erase(field);
  if (start.labels.empty()) return config;
  for (const char* field : {"problem_type", "num_labels"}) config.erase(field);
  return config;
}

std::string before_names(const ModelStart& start) {
  constexpr std::array<std::pair<const char*, const char*>, 3> kBare = {
      {{"wte.weight", "transformer."},
       {"embed_tokens.weight", "model."},
       {"encoder.layers.0.fc1.weight", "model."}}};
  for (const auto& [name, before] : kBare) {
    if (start.weights.contains(name)) return before;
  }
  return {};
}

ModelStart start_causal(const TrainConfig& settings, const Tokenizer& tokenizer) {
  ModelStart start;
  if (settings.model.empty()) {
    start.config = gpt2_config(settings, tokenizer);
  } else {
    start = from_checkpoint(settings, tokenizer);
  }
  set_dropout(start.config, settings, !start.from_checkpoint(),
              {"embd_pdrop", "attn_pdrop", "resid_pdrop"});
  return start;
}

ModelStart start_encoder(const TrainConfig& settings, const Tokenizer& tokenizer, HeadTask task,
                         const std::vector<std::string>& labels) {
  ModelStart start;
  if (settings.model.empty()) {
    start.config = bert_config(settings, tokenizer);
  } else {
    start = from_checkpoint(settings, tokenizer);
  }
  const ConfigReader config = config_of(start);
  start.head = head_names(task, config);
  start.config["model_type"] = known_model(config).model_type;  // old files have none
  start.config["architectures"] = {start.head.class_name};
  const Json old_labels = start.config.value("id2label", Json());
  start.labels = in_order_of(old_labels, labels);
  set_labels(start.config, start.labels);
  const bool same_labels = start.config.value("id2label", Json()) == old_labels;
  start.weights = weights_under(start.head, task == HeadTask::fill || same_labels, start.weights);
  const bool scratch = !start.from_checkpoint();
  if (start.head.base == "distilbert") {
    set_dropout(start.config, settings, scratch, {"dropout", "attention_dropout"});
  } else {
    set_dropout(start.config, settings, scratch,
                {"hidden_dropout_prob", "attention_probs_dropout_prob"});
  }
  for (const char* name : kHeadRates) {
    if (start.config.contains(name)) set_dropout(start.config, settings, scratch, {name});
  }
  return start;
}

ModelStart start_translator(const TrainConfig& settings, const Tokenizer& tokenizer) {
  ModelStart start;
  if (!settings.model.empty()) {
    start = from_checkpoint(settings, tokenizer);
    const std::string type = start.config.value("model_type", std::string());
    const char* rate = type == "t5" || type == "mt5" ? "dropout_rate" : "dropout";
    set_dropout(start.config, settings, /*scratch=*/false, {rate});
    warn_of_dropped_layers(config_of(start));
    return start;
  }
  check_heads(settings);
  start.config = {{"architectures", {"Transformer"}},
                  {"model_type", "transformer2017"},
                  {"vocab_size", tokenizer.vocab_size()},
                  {"d_model", settings.width},
                  {"nhead", settings.heads},
                  {"num_encoder_layers", settings.layers},
                  {"num_decoder_layers", settings.layers},
                  {"dim_feedforward", feed_forward_of(settings)},
                  {"max_position_embeddings", settings.block},
                  {"norm_first", settings.norm_first},
                  {"share_embeddings", !settings.separate_embeddings},
                  {"tie_word_embeddings", !settings.separate_embeddings},
                  {"dropout", settings.dropout}};
  return start;
}

int64_t longest_row(const TrainConfig& settings, const Json& config, const char* positions) {
  const int64_t most = config.value(positions, settings.block);
  if (settings.block <= most) return settings.block;
  if (!settings.has("block")) return most;
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("train: block is {} tokens but the model reads {}", settings.block, most));
}

int64_t longest_text(const TrainConfig& settings, const ModelStart& start) {
  constexpr const char* kPositions = "max_position_embeddings";
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  Json config = start.config;
  if (start.head.base == "roberta") {
    const ConfigReader reader = config_of(start);
    config[kPositions] = reader.integer(kPositions, 1, kMost) -
                         reader.integer("pad_token_id", 0, kMost, /*fallback=*/1) - 1;
  }
  return longest_row(settings, config, kPositions);
}

}  // namespace heed
