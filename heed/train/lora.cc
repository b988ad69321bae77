#include "heed/train/lora.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/io/adapter.h"
#include "heed/io/json.h"
#include "heed/ops/elementwise.h"
#include "heed/ops/linear.h"

namespace heed {
namespace {

constexpr std::string_view kWeight = ".weight";

/// "encoder.layer.0.attention.self.query" of its ".weight"; empty for what has another name.
std::string_view product_of(std::string_view name) {
  if (!name.ends_with(kWeight)) return {};
  name.remove_suffix(kWeight.size());
  return name;
}

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('.') + 1); }

/// Tables of embeddings are no products: PEFT has another layout for changes of them.
bool is_table(std::string_view name) {
  constexpr std::array<std::string_view, 4> kTables = {"wte", "wpe", "shared",
                                                       "relative_attention_bias"};
  const std::string_view last = last_part(name);
  return std::ranges::count(kTables, last) > 0 || last.ends_with("embeddings") ||
         last.starts_with("embed_");
}

/// Whether the product's name is the target, or ends with it at a point.
bool ends_at(std::string_view product, std::string_view target) {
  if (target.empty() || !product.ends_with(target)) return false;
  product.remove_suffix(target.size());
  return product.empty() || product.back() == '.';
}

/// The modules that PEFT is to keep beside adapters: those whose weight is saved. What is saved of
/// others (the bias of an output that has the table's weight) PEFT puts in its place without.
std::set<std::string> modules_of(const NamedTensors& saved) {
  std::set<std::string> modules;
  for (const auto& [name, tensor] : saved) {
    if (const std::string_view module = product_of(name); !module.empty()) modules.emplace(module);
  }
  return modules;
}

Init start_of(std::string_view name, const Shape& shape) {
  if (name.ends_with("lora_B.weight")) return Init::zeros();
  return Init::uniform(static_cast<float>(1 / std::sqrt(static_cast<double>(shape[1]))));
}

}  // namespace

class Lora::Source : public Params::Source {
 public:
  Source(ParameterStore base, LoraOptions options)
      : base_(std::move(base)),
        options_(std::move(options)),
        adapters_({.init = start_of, .seed = options_.seed}) {}

  Tensor find(const std::string& name) const override {
    if (!base_.contains(name)) return {};
    const Tensor weight = base_[name];
    return is_target(name) ? adapted(name, weight) : weight;
  }
  Tensor create(const std::string& name, const Shape& shape) const override {
    return base_.params().tensor(name, shape);
  }
  std::vector<std::string> names() const override { return base_.names(); }
  std::string describe() const override { return "the adapted parameters"; }
  bool in_place() const override { return true; }

  /// Matrices that are trained whole (a new head's) get no adapter.
  bool is_target(const std::string& name) const {
    const auto begins = [&](const std::string& start) { return name.starts_with(start); };
    return is_named(name) && !base_[name].traced() && std::ranges::none_of(options_.freeze, begins);
  }
  /// As PEFT is told of them: by their ends, or where these fit other products too each by its
  /// name.
  std::vector<std::string> target_modules() const {
    std::vector<std::string> products;
    bool others = false;
    for (const std::string& name : base_.names()) {
      if (is_target(name)) products.emplace_back(product_of(name));
      others = others || (is_named(name) && !is_target(name));
    }
    return others ? products : options_.targets;
  }
  const ParameterStore& base() const { return base_; }
  const ParameterStore& adapters() const { return adapters_; }
  const LoraOptions& options() const { return options_; }

 private:
  bool is_named(const std::string& name) const {
    return base_[name].rank() == 2 && !is_table(product_of(name)) &&
           std::ranges::any_of(options_.targets, [&](const std::string& target) {
             return ends_at(product_of(name), target);
           });
  }
  Tensor adapted(const std::string& name, const Tensor& weight) const {
    const std::string product = name.substr(0, name.size() - kWeight.size());
    const bool transposed = is_conv1d(product);
    const int64_t inputs = weight.size(transposed ? 0 : 1),
                  outputs = weight.size(transposed ? 1 : 0);
    const Params params = adapters_.params();
    const Tensor a = params.tensor(product + ".lora_A.weight", {options_.rank, inputs});
    const Tensor b = params.tensor(product + ".lora_B.weight", {outputs, options_.rank});
    const auto factor = static_cast<float>(options_.alpha / static_cast<double>(options_.rank));
    const Tensor change = scale(transposed ? matmul(a.transpose(0, 1), b.transpose(0, 1))  // [K, N]
                                           : matmul(b, a),                                 // [N, K]
                                factor);
    return add(weight, change);
  }

  ParameterStore base_;
  LoraOptions options_;
  ParameterStore adapters_;
};

Lora::Lora(ParameterStore base, LoraOptions options) {
  if (options.rank < 1 || options.targets.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "lora: needed a rank of at least 1 and the names of products to adapt");
  }
  source_ = std::make_shared<Source>(std::move(base), std::move(options));
}

Params Lora::params() const { return Params(source_); }

const ParameterStore& Lora::adapters() const { return source_->adapters(); }

void Lora::check() const {
  std::set<std::string> products;
  for (const std::string& name : source_->names()) {
    const std::string_view product = product_of(name);
    if (source_->base()[name].rank() == 2 && !product.empty() && !is_table(product)) {
      products.emplace(product);
    }
  }
  for (const std::string& target : source_->options().targets) {
    const auto fits = [&](const std::string& product) { return ends_at(product, target); };
    const auto adapted = [&](const std::string& product) {
      return fits(product) && source_->is_target(product + std::string(kWeight));
    };
    if (std::ranges::any_of(products, adapted)) continue;
    if (std::ranges::any_of(products, fits)) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("lora: every product {} is frozen or trained whole; needed one that "
                              "freeze leaves, of what the model comes with",
                              in_quotes(target)));
    }
    std::set<std::string> ends;
    for (const std::string& product : products) ends.emplace(last_part(product));
    throw Error(ErrorCode::invalid_argument,
                fmt::format("lora: the model has no product {}; it has {}", in_quotes(target),
                            listed({ends.begin(), ends.end()})));
  }
}

NamedTensors Lora::merged() const {
  const NoGrad off;
  NamedTensors all;
  for (const std::string& name : source_->names()) {
    all.emplace_back(name, source_->find(name).detach());
  }
  return all;
}

void Lora::write(const std::filesystem::path& folder, const std::string& base_model,
                 const std::string& before, const NamedTensors& saved) const {
  constexpr std::string_view kPrefix = "base_model.model.";
  NamedTensors tensors;
  for (const auto& [name, tensor] : source_->adapters().tensors()) {
    tensors.emplace_back(std::string(kPrefix) + before + name, tensor);
  }
  for (const auto& [name, tensor] : saved) {
    tensors.emplace_back(std::string(kPrefix) + name, tensor);
  }
  const std::set<std::string> modules = modules_of(saved);
  const LoraOptions& options = source_->options();
  const bool transposed = is_conv1d(options.targets.front());
  Json config = {{"peft_type", "LORA"},
                 {"base_model_name_or_path", base_model},
                 {"r", options.rank},
                 {"lora_alpha", options.alpha},
                 {"lora_dropout", 0.0},
                 {"bias", "none"},
                 {"fan_in_fan_out", transposed},
                 {"target_modules", source_->target_modules()},
                 {"inference_mode", true}};
  config["modules_to_save"] = modules.empty() ? Json() : Json(modules);
  write_safetensors(folder / kAdapterWeights, tensors, {{"format", "pt"}});
  write_file(folder / kAdapterConfig, config.dump(2) + "\n");
}

std::vector<std::string> usual_lora_targets(const std::string& model_type) {
  if (model_type == "gpt2") return {"c_attn"};
  if (model_type == "phi3") return {"qkv_proj"};
  for (const char* like_llama : {"llama", "mistral", "qwen2", "qwen3"}) {
    if (model_type == like_llama) return {"q_proj", "v_proj"};
  }
  for (const char* like_bert :
       {"bert", "roberta", "xlm-roberta", "camembert", "electra", "albert"}) {
    if (model_type == like_bert) return {"query", "value"};
  }
  if (model_type == "distilbert") return {"q_lin", "v_lin"};
  if (model_type == "t5" || model_type == "mt5") return {"q", "v"};
  for (const char* like_bart : {"bart", "mbart", "marian", "pegasus"}) {
    if (model_type == like_bart) return {"q_proj", "v_proj"};
  }
  return {"linear1", "linear2"};
}

}  // namespace heed
