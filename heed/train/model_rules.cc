#include "heed/train/model_rules.h"

#include <cmath>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

namespace heed {
namespace {

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> endings) {
  for (const std::string_view ending : endings) {
    if (name.ends_with(ending)) return true;
  }
  return false;
}

bool is_gain(std::string_view name) {
  const bool norm = name.find("ln_") != std::string_view::npos ||
                    name.find("LayerNorm") != std::string_view::npos ||
                    name.find("norm") != std::string_view::npos;
  return norm && ends_with_any(name, {"weight", "gamma"});
}

}  // namespace

void set_usual_dropout(Json& config) {
  using Rates = std::map<std::string_view, double>;
  static const Rates kBert = {{"hidden_dropout_prob", 0.1}, {"attention_probs_dropout_prob", 0.1}};
  static const Rates kT5 = {{"dropout_rate", 0.1}};
  static const Rates kBart = {
      {"dropout", 0.1}, {"attention_dropout", 0.0}, {"activation_dropout", 0.0}};
  static const std::map<std::string_view, Rates> kUsual = {
      {"albert",
       {{"hidden_dropout_prob", 0.0},
        {"attention_probs_dropout_prob", 0.0},
        {"classifier_dropout_prob", 0.1}}},
      {"bart", kBart},
      {"bert", kBert},
      {"camembert", kBert},
      {"distilbert", {{"dropout", 0.1}, {"attention_dropout", 0.1}, {"seq_classif_dropout", 0.2}}},
      {"electra", kBert},
      {"gpt2", {{"embd_pdrop", 0.1}, {"attn_pdrop", 0.1}, {"resid_pdrop", 0.1}}},
      {"marian", kBart},
      {"mbart", kBart},
      {"mt5", kT5},
      {"pegasus", kBart},
      {"roberta", kBert},
      {"t5", kT5},
      {"xlm-roberta", kBert},
  };
  const auto usual = kUsual.find(config.value("model_type", std::string()));
  if (usual == kUsual.end()) return;
  for (const auto& [name, rate] : usual->second) {
    const std::string field(name);
    if (!config.contains(field)) config[field] = rate;
  }
}

DropoutRates dropout_rates_of(const Json& config) {
  const auto rate = [&](std::initializer_list<const char*> names) {
    for (const char* name : names) {
      if (config.contains(name) && config[name].is_number()) return config[name].get<float>();
    }
    return 0.0F;
  };
  DropoutRates rates{
      .hidden = rate({"hidden_dropout_prob", "resid_pdrop", "dropout", "dropout_rate"}),
      .attention = rate({"attention_probs_dropout_prob", "attn_pdrop", "attention_dropout",
                         "dropout", "dropout_rate"}),
      .feed_forward = rate({"activation_dropout"})};
  const std::string type = config.value("model_type", std::string());
  const Json names = config.value("architectures", Json::array());
  rates.head = rates.hidden;
  for (const char* name : kHeadRates) {
    const bool of_class = name != std::string_view("seq_classif_dropout") ||
                          names == Json::array({"DistilBertForSequenceClassification"});
    if (of_class && config.contains(name) && config[name].is_number()) rates.head = rate({name});
  }
  if (type == "transformer2017" || type == "t5" || type == "mt5") {
    rates.feed_forward = rates.hidden;  // nn.Transformer and T5 drop there as well
  }
  return rates;
}

InitRule init_rule_of(const Json& config) {
  const std::string type = config.value("model_type", std::string());
  const bool glorot = type == "transformer2017";
  const double layers = config.value("n_layer", 0.0);
  return [=](std::string_view name, const Shape& shape) {
    if (is_gain(name)) return Init::ones();
    if (ends_with_any(name, {"bias", "beta"})) return Init::zeros();
    if (glorot) return Init::xavier_uniform(shape);
    const bool ends_branch = layers > 0 && name.ends_with("c_proj.weight");
    return Init::normal(
        static_cast<float>(ends_branch ? kInitDeviation / std::sqrt(2 * layers) : kInitDeviation));
  };
}

}  // namespace heed
