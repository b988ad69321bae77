#include "heed/models/heads.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/error.h"
#include "heed/io/json.h"
#include "heed/models/albert.h"
#include "heed/models/distilbert.h"
#include "heed/models/electra.h"
#include "heed/models/model_files.h"
#include "heed/models/registry.h"
#include "heed/models/roberta.h"

namespace heed {
namespace {

/// The end of transformers' class names.
const char* class_of(HeadTask task) {
  switch (task) {
    case HeadTask::classify:
      return "ForSequenceClassification";
    case HeadTask::tag:
      return "ForTokenClassification";
    case HeadTask::answer:
      return "ForQuestionAnswering";
    case HeadTask::choose:
      return "ForMultipleChoice";
    case HeadTask::fill:
      return "ForMaskedLM";
    case HeadTask::next_sentence:
      return "ForNextSentencePrediction";
    case HeadTask::replaced:
      return "ForPreTraining";
  }
  HEED_ASSERT(false);
}

int64_t outputs_of(HeadTask task, int64_t labels, int64_t vocab) {
  switch (task) {
    case HeadTask::classify:
    case HeadTask::tag:
      return labels;
    case HeadTask::fill:
      return vocab;
    case HeadTask::choose:
    case HeadTask::replaced:
      return 1;
    case HeadTask::answer:
    case HeadTask::next_sentence:
      return 2;
  }
  HEED_ASSERT(false);
}

/// The class whose weights a config.json says it has.
std::string class_in(const ConfigReader& config) {
  const auto names = config.json().find("architectures");
  if (names == config.json().end() || !names->is_array() || names->empty() ||
      !(*names)[0].is_string()) {
    return "no architectures";
  }
  return (*names)[0].get<std::string>();
}

/// The architecture whose names and heads a model_type has.
std::string family_of(const std::string& model_type) {
  return model_type == "xlm-roberta" || model_type == "camembert" ? "roberta" : model_type;
}

/// What the encoder itself reads: absent fields mean something else in each family.
BertConfig read_encoder_config(const std::string& family, const ConfigReader& config) {
  if (family == "albert") return AlbertConfig::read(config);
  if (family == "distilbert") return DistilBertConfig::read(config);
  if (family == "electra") return ElectraConfig::read(config);
  if (family == "roberta") return RobertaConfig::read(config);
  return BertConfig::read(config);
}

/// Whether a weight's name is the path or below it.
bool is_below(std::string_view name, std::string_view path) {
  return !path.empty() && name.starts_with(path) &&
         (name.size() == path.size() || name[path.size()] == '.');
}

constexpr Activation kOwn = Activation::none;

/// What follows the product by which ELECTRA judges choices. Error unsupported for a summary that
/// is not that product of the first token's state.
Activation summary_activation(const ConfigReader& config) {
  const std::string type = config.text("summary_type", "first");
  if (type != "first" || !config.boolean("summary_use_proj", true) ||
      config.boolean("summary_proj_to_labels", false)) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: needed a summary_type \"first\" with summary_use_proj and without "
                            "summary_proj_to_labels, found another (summary_type is \"{}\")",
                            config.where(), type));
  }
  constexpr const char* kField = "summary_activation";
  const auto said = config.json().find(kField);
  if (said != config.json().end() && said->is_null()) return Activation::none;
  return activation_from_name(config.text(kField, "gelu"));
}

}  // namespace

/// A head's steps: what it reads of the last hidden state, a product with its activation, a norm,
/// and the last product. "" is left out.
struct EncoderHead::Layout {
  HeadTask task;
  const char* family;
  Reads reads;
  const char* dense;
  Activation activation;  // none: the encoder's own
  const char* norm;
  const char* output;
  const char* bias;          // of fill, where the output's matrix is the embeddings'
  bool drops_input = false;  // in training, what the dense product reads
  bool sums_up = false;      // the activation is the config's summary_activation

  static const Layout* maybe(HeadTask task, const std::string& family);
  static const Layout& find(HeadTask task, const std::string& family);
  bool tied(const ConfigReader& config) const {
    return task == HeadTask::fill && config.boolean("tie_word_embeddings", true);
  }
  std::string needed_weight(const ConfigReader& config) const {
    return tied(config) ? bias : std::string(output) + ".weight";
  }
};

const EncoderHead::Layout* EncoderHead::Layout::maybe(HeadTask task, const std::string& family) {
  static constexpr Layout kLayouts[] = {
      {HeadTask::classify, "bert", Reads::pooled, "", kOwn, "", "classifier", ""},
      {HeadTask::tag, "bert", Reads::each, "", kOwn, "", "classifier", ""},
      {HeadTask::answer, "bert", Reads::each, "", kOwn, "", "qa_outputs", ""},
      {HeadTask::choose, "bert", Reads::pooled, "", kOwn, "", "classifier", ""},
      {HeadTask::fill, "bert", Reads::each, "cls.predictions.transform.dense", kOwn,
       "cls.predictions.transform.LayerNorm", "cls.predictions.decoder", "cls.predictions.bias"},
      {HeadTask::next_sentence, "bert", Reads::pooled, "", kOwn, "", "cls.seq_relationship", ""},

      {HeadTask::classify, "roberta", Reads::first, "classifier.dense", Activation::tanh, "",
       "classifier.out_proj", "", true},
      {HeadTask::tag, "roberta", Reads::each, "", kOwn, "", "classifier", ""},
      {HeadTask::answer, "roberta", Reads::each, "", kOwn, "", "qa_outputs", ""},
      {HeadTask::choose, "roberta", Reads::pooled, "", kOwn, "", "classifier", ""},
      {HeadTask::fill, "roberta", Reads::each, "lm_head.dense", Activation::gelu,
       "lm_head.layer_norm", "lm_head.decoder", "lm_head.bias"},

      {HeadTask::classify, "distilbert", Reads::first, "pre_classifier", Activation::relu, "",
       "classifier", ""},
      {HeadTask::tag, "distilbert", Reads::each, "", kOwn, "", "classifier", ""},
      {HeadTask::answer, "distilbert", Reads::each, "", kOwn, "", "qa_outputs", ""},
      {HeadTask::choose, "distilbert", Reads::first, "pre_classifier", Activation::relu, "",
       "classifier", ""},
      {HeadTask::fill, "distilbert", Reads::each, "vocab_transform", kOwn, "vocab_layer_norm",
       "vocab_projector", "vocab_projector.bias"},

      {HeadTask::classify, "electra", Reads::first, "classifier.dense", Activation::gelu, "",
       "classifier.out_proj", "", true},
      {HeadTask::tag, "electra", Reads::each, "", kOwn, "", "classifier", ""},
      {HeadTask::answer, "electra", Reads::each, "", kOwn, "", "qa_outputs", ""},
      {HeadTask::choose, "electra", Reads::first, "sequence_summary.summary", Activation::gelu, "",
       "classifier", "", false, true},
      {HeadTask::fill, "electra", Reads::each, "generator_predictions.dense", Activation::gelu,
       "generator_predictions.LayerNorm", "generator_lm_head", "generator_lm_head.bias"},
      {HeadTask::replaced, "electra", Reads::each, "discriminator_predictions.dense", kOwn, "",
       "discriminator_predictions.dense_prediction", ""},

      {HeadTask::classify, "albert", Reads::pooled, "", kOwn, "", "classifier", ""},
      {HeadTask::tag, "albert", Reads::each, "", kOwn, "", "classifier", ""},
      {HeadTask::answer, "albert", Reads::each, "", kOwn, "", "qa_outputs", ""},
      {HeadTask::choose, "albert", Reads::pooled, "", kOwn, "", "classifier", ""},
      {HeadTask::fill, "albert", Reads::each, "predictions.dense", kOwn, "predictions.LayerNorm",
       "predictions.decoder", "predictions.bias"},
      {HeadTask::next_sentence, "albert", Reads::pooled, "", kOwn, "", "sop_classifier.classifier",
       ""},
  };
  for (const Layout& layout : kLayouts) {
    if (layout.task == task && layout.family == family) return &layout;
  }
  return nullptr;
}

const EncoderHead::Layout& EncoderHead::Layout::find(HeadTask task, const std::string& family) {
  if (const Layout* found = maybe(task, family)) return *found;
  throw Error(ErrorCode::unsupported,
              fmt::format("model: {} has no head of the kind {}", family, class_of(task)));
}

EncoderHead::EncoderHead(HeadTask task, std::shared_ptr<const Encoder> encoder,
                         const ConfigReader& config, const Params& params, int64_t labels)
    : task_(task), encoder_(std::move(encoder)) {
  const EncoderFacts& facts = encoder_->facts();
  const Layout& layout = Layout::find(task, facts.architecture);
  reads_ = layout.reads;
  drops_input_ = layout.drops_input;
  const BertConfig sizes = read_encoder_config(facts.architecture, config);
  const int64_t width =  // of what the last product takes
      task == HeadTask::fill ? sizes.embedding_width : facts.width;
  const int64_t outputs = outputs_of(task, labels, facts.vocab);
  if (*layout.dense != '\0') {
    dense_ = Linear(params / layout.dense, facts.width, width);
    activation_ = layout.activation == kOwn ? sizes.activation : layout.activation;
    if (layout.sums_up) activation_ = summary_activation(config);
  }
  if (*layout.norm != '\0') norm_ = LayerNorm(params / layout.norm, width, sizes.epsilon);
  if (layout.tied(config)) {
    output_ = {
        params.tensor(facts.architecture + ".embeddings.word_embeddings.weight", {outputs, width}),
        params.tensor(layout.bias, {outputs})};
  } else {
    output_ = {params / layout.output, width, outputs};
  }
}

bool EncoderHead::exists(HeadTask task, const std::string& family) {
  return Layout::maybe(task, family) != nullptr;
}

std::string EncoderHead::needed_weight(HeadTask task, const std::string& family,
                                       const ConfigReader& config) {
  return Layout::find(task, family).needed_weight(config);
}

bool HeadNames::is_output(std::string_view name) const { return is_below(name, output); }

bool HeadNames::has(std::string_view name) const {
  if (!is_below(name, base)) {
    return is_output(name) || std::ranges::any_of(steps, [&](const std::string& step) {
             return is_below(name, step);
           });
  }
  return !pooler.empty() || !is_below(name, base + ".pooler");
}

HeadNames head_names(HeadTask task, const ConfigReader& config) {
  const KnownModel model = known_model(config);
  const std::string family = family_of(model.model_type);
  const EncoderHead::Layout& layout = EncoderHead::Layout::find(task, family);
  HeadNames names{.class_name = model.class_prefix + class_of(task),
                  .base = family,
                  .pooler = "",
                  .steps = {},
                  .output = layout.tied(config) ? layout.bias : layout.output};
  if (layout.reads == EncoderHead::Reads::pooled) {
    names.pooler = family == "albert" ? "pooler" : "pooler.dense";
  }
  for (const char* step : {layout.dense, layout.norm}) {
    if (*step != '\0') names.steps.emplace_back(step);
  }
  return names;
}

Tensor EncoderHead::features_of(const Tensor& last_hidden_state, const Run& run) const {
  Tensor x = last_hidden_state;  // [B, T, C]
  if (reads_ == Reads::pooled) x = encoder_->pooled(x);
  if (reads_ == Reads::first) x = x.select(1, 0).contiguous();  // [B, C]
  if (drops_input_) x = run.drop(x, &DropoutRates::head);
  if (dense_) x = (*dense_)(x, activation_);
  return norm_ ? (*norm_)(x) : run.drop(x, &DropoutRates::head);
}

Tensor EncoderHead::logits(const EncoderInput& input, const Run& run) const {
  return linear(features(input, run), output_.weight, output_.bias);
}

Tensor EncoderHead::logits_of(const Tensor& last_hidden_state) const {
  return linear(features_of(last_hidden_state), output_.weight, output_.bias);
}

namespace {

std::shared_ptr<const EncoderHead> make_head(HeadTask task,
                                             const std::shared_ptr<const Encoder>& encoder,
                                             const ConfigReader& config, const Params& params) {
  const bool labelled = task == HeadTask::classify || task == HeadTask::tag;
  return std::make_shared<EncoderHead>(task, encoder, config, params,
                                       labelled ? std::ssize(read_labels(config)) : 0);
}

std::vector<HeadTask> tasks_of(const std::string& name, const std::string& family) {
  if (name.ends_with(class_of(HeadTask::replaced)) && family != "electra") {
    return {HeadTask::fill, HeadTask::next_sentence};
  }
  for (const HeadTask task : {HeadTask::classify, HeadTask::tag, HeadTask::answer, HeadTask::choose,
                              HeadTask::fill, HeadTask::next_sentence, HeadTask::replaced}) {
    if (name.ends_with(class_of(task))) return {task};
  }
  return {};
}

/// Whether the class that config.json names has these weights for another task: heads for texts and
/// for tokens have one name and one shape, and each would give numbers for the other's input.
bool belongs_to_another(HeadTask task, const std::string& weight, const std::string& family,
                        const std::string& class_name, const ConfigReader& config) {
  const std::vector<HeadTask> own = tasks_of(class_name, family);
  return std::ranges::none_of(own, [&](HeadTask other) { return other == task; }) &&
         std::ranges::any_of(own, [&](HeadTask other) {
           return EncoderHead::exists(other, family) &&
                  EncoderHead::needed_weight(other, family, config) == weight;
         });
}

}  // namespace

std::shared_ptr<const EncoderHead> load_head(const std::filesystem::path& folder, HeadTask task) {
  const ConfigReader config = read_model_config(folder);
  const Params params = open_model_params(folder, {});
  const auto encoder = make_encoder(config, params);
  const std::string needed =
      EncoderHead::needed_weight(task, encoder->facts().architecture, config);
  if (!params.contains(needed) ||
      belongs_to_another(task, needed, encoder->facts().architecture, class_in(config), config)) {
    throw Error(ErrorCode::not_found,
                fmt::format("{}: needs {}, which a checkpoint of the kind {} has; this one is {}",
                            folder.string(), needed, class_of(task), class_in(config)));
  }
  return make_head(task, encoder, config, params);
}

EncoderWithHeads load_with_heads(const std::filesystem::path& model, const LoadOptions& options) {
  const ConfigReader config = read_model_config(model);
  const Params params = open_model_params(model, options.dtype);
  EncoderWithHeads loaded{.encoder = make_encoder(config, params), .heads = {}};
  const std::string& family = loaded.encoder->facts().architecture;
  for (const HeadTask task : tasks_of(class_in(config), family)) {
    if (!EncoderHead::exists(task, family)) continue;
    if (!params.contains(EncoderHead::needed_weight(task, family, config))) continue;
    loaded.heads.push_back(make_head(task, loaded.encoder, config, params));
  }
  return loaded;
}

std::vector<std::string> read_labels(const ConfigReader& config) {
  std::vector<std::string> labels;
  if (!config.has("id2label")) {
    const int64_t count = config.integer("num_labels", 1, 1 << 20, 2);
    for (int64_t id = 0; id < count; ++id) labels.push_back(fmt::format("LABEL_{}", id));
    return labels;
  }
  const Json& names = config.json()["id2label"];
  if (!names.is_object() || names.empty()) config.refuse("id2label", "an object of names");
  for (size_t id = 0; id < names.size(); ++id) {
    const auto found = names.find(std::to_string(id));
    if (found == names.end() || !found->is_string()) {
      config.refuse("id2label", fmt::format("a name for each id from 0 to {}", names.size() - 1));
    }
    labels.push_back(found->get<std::string>());
  }
  return labels;
}

}  // namespace heed
