#include "heed/io/adapter.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/base/parallel.h"
#include "heed/base/paths.h"
#include "heed/io/hub.h"
#include "heed/io/json.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBefore = "base_model.model.";
constexpr std::string_view kWeight = ".weight";

/// What PEFT computes otherwise than W + factor B A where it is set.
constexpr std::array<const char*, 10> kNotPlain = {"use_dora",          "use_qalora",
                                                   "use_bdlora",        "alora_invocation_tokens",
                                                   "arrow_config",      "kasa_config",
                                                   "monteclora_config", "velora_config",
                                                   "alpha_pattern",     "trainable_token_indices"};

/// Starts that leave the base model's weights as they are; the others ("pissa") take B A from them.
constexpr std::array<std::string_view, 3> kPlainStarts = {"gaussian", "orthogonal", "eva"};

bool is_set(const Json& field) { return !field.is_null() && field != false && !field.empty(); }

Json read_config(const fs::path& folder) {
  Json config = read_json(folder / kAdapterConfig);
  if (config.is_object()) return config;
  throw Error(ErrorCode::corrupt_data, (folder / kAdapterConfig).string() + ": needed an object");
}

/// Error unsupported for what is not a plain LoRA.
void check_plain(const Json& config, const std::string& where) {
  const auto refuse = [&](const std::string& found) {
    throw Error(ErrorCode::unsupported, "adapter " + where + ": needed a plain LoRA, found " +
                                            printable(found) +
                                            "; merge it with PEFT's "
                                            "merge_and_unload and save the whole model");
  };
  const Json kind = config.value("peft_type", Json("LORA"));
  if (kind != "LORA") refuse("peft_type " + kind.dump());
  for (const char* field : kNotPlain) {
    if (is_set(config.value(field, Json()))) refuse(field);
  }
  const Json start = config.value("init_lora_weights", Json());
  if (start.is_string() && std::ranges::count(kPlainStarts, start.get<std::string>()) == 0) {
    refuse("init_lora_weights " + start.dump());
  }
  const Json alpha = config.value("lora_alpha", Json());
  if (!alpha.is_number()) refuse("lora_alpha " + alpha.dump());
}

/// Takes a part out of a text that may have it.
void cut_out(std::string& text, std::string_view part) {
  const size_t at = text.find(part);
  if (at != std::string::npos) text.erase(at, part.size());
}

/// y [rows, columns] += factor left [rows, R] right [R, columns].
void add_product(const Tensor& y, const Tensor& left, const Tensor& right, float factor) {
  const int64_t columns = y.size(1), rank = left.size(1);
  parallel_for(y.size(0), [&](int64_t row, int) {
    std::vector<float> sums(static_cast<size_t>(columns));
    for (int64_t r = 0; r < rank; ++r) {
      const float by = left.data<float>()[row * rank + r];
      const float* from = right.data<float>() + r * columns;
      for (int64_t c = 0; c < columns; ++c) sums[static_cast<size_t>(c)] += by * from[c];
    }
    float* to = y.data<float>() + row * columns;
    for (int64_t c = 0; c < columns; ++c) to[c] += factor * sums[static_cast<size_t>(c)];
  });
}

fs::path found_base(const fs::path& folder, const std::string& base) {
  try {
    return is_there(folder / base) && !is_there(base) ? folder / base : find_model(base);
  } catch (const Error& error) {
    throw Error(error.code(), "adapter " + folder.string() +
                                  ": its base model is not here: " + error.what() +
                                  "; or name another place in its " + kAdapterConfig);
  }
}

}  // namespace

bool is_adapter(const fs::path& folder) {
  return is_there(folder / kAdapterConfig) && !is_there(folder / "model.safetensors") &&
         !is_there(folder / "model.safetensors.index.json");
}

fs::path adapter_base(const fs::path& folder) {
  const Json named = read_config(folder).value("base_model_name_or_path", Json());
  const std::string name = named.is_string() ? named.get<std::string>() : "";
  if (name.empty()) {
    const bool none = named.is_null() || named.is_string();  // PEFT writes null for want of a name
    throw Error(ErrorCode::corrupt_data, (folder / kAdapterConfig).string() +
                                             ": needed base_model_name_or_path, found " +
                                             (none ? "none" : printable(named.dump())) +
                                             ": it is not known what model the adapter changes");
  }
  const fs::path base = found_base(folder, name);
  if (is_adapter(base)) {
    throw Error(ErrorCode::unsupported, "adapter " + folder.string() + ": its base model " +
                                            base.string() + " is an adapter too");
  }
  return base;
}

fs::path model_file(const fs::path& folder, const std::string& name) {
  if (is_there(folder / name) || !is_adapter(folder)) return folder / name;
  return adapter_base(folder) / name;
}

bool is_conv1d(std::string_view product) {
  return product.substr(product.rfind('.') + 1).starts_with("c_");
}

namespace internal {

Adapter::Adapter(const fs::path& folder)
    : file_(Checkpoint::open(folder / kAdapterWeights)), where_(folder.string()) {
  const Json config = read_config(folder);
  check_plain(config, where_);
  alpha_ = config["lora_alpha"].get<double>();
  root_of_rank_ = config.value("use_rslora", Json(false)) == true;
  sort_names(folder);
}

void Adapter::sort_names(const fs::path& folder) {
  for (const auto& [in_file, entry] : file_.entries()) {
    std::string name = in_file;
    if (name.starts_with(kBefore)) name.erase(0, kBefore.size());
    cut_out(name, ".default");  // how PEFT calls an adapter that was not given a name
    if (name.ends_with(".lora_A.weight")) {
      cut_out(name, ".lora_A");
      products_[name] = in_file.substr(0, in_file.rfind(".lora_A"));
    } else if (name.ends_with(".lora_B.weight")) {
      const std::string pair = in_file.substr(0, in_file.rfind(".lora_B")) + ".lora_A" +
                               in_file.substr(in_file.rfind(".lora_B") + 7);
      if (!file_.contains(pair)) {
        throw Error(ErrorCode::corrupt_data, (folder / kAdapterWeights).string() + ": needed " +
                                                 in_quotes(pair) + " beside " + in_quotes(in_file));
      }
    } else if (name.find("lora_") != std::string::npos) {
      throw Error(ErrorCode::unsupported, (folder / kAdapterWeights).string() + ": holds " +
                                              in_quotes(in_file) +
                                              ", which is no low-rank update of a product");
    } else {
      cut_out(name, ".modules_to_save");
      cut_out(name, ".base_layer");  // beside an update: the product's bias
      own_[name] = in_file;
    }
  }
}

std::string Adapter::fit(const std::map<std::string, Checkpoint::Entry>& base) {
  std::string before, within;  // what the adapter's names begin with beyond the base's; the reverse
  std::map<std::string, std::string> fitted;
  for (const auto& [name, in_file] : products_) {
    size_t cut = 0;
    while (cut != std::string::npos && !base.contains(name.substr(cut))) {
      const size_t point = name.find('.', cut);
      cut = point == std::string::npos ? point : point + 1;
    }
    if (cut != std::string::npos) {
      before = name.substr(0, cut);
      fitted[name] = in_file;
      continue;
    }
    const std::string ending = "." + name;
    const auto longer = std::ranges::find_if(
        base, [&](const auto& entry) { return entry.first.ends_with(ending); });
    if (longer == base.end()) {
      throw Error(ErrorCode::corrupt_data, "adapter " + where_ + ": its base model has no " +
                                               in_quotes(name) + ": it is for another model");
    }
    within = longer->first.substr(0, longer->first.size() - name.size());
    fitted[longer->first] = in_file;
  }
  for (const auto& [name, in_file] : fitted) {
    if (name.starts_with(before) && base.contains(name.substr(before.size()))) continue;
    throw Error(ErrorCode::corrupt_data, "adapter " + where_ + ": " + in_quotes(name) +
                                             " stands elsewhere in its base model than the others");
  }
  products_ = std::move(fitted);
  std::map<std::string, std::string> own;
  for (const auto& [name, in_file] : own_) {
    own[base.contains(within + name) ? within + name : name] = in_file;
  }
  own_ = std::move(own);
  return before;
}

Tensor Adapter::applied(const std::string& name, const Tensor& weight) const {
  const auto product = products_.find(name);
  if (product == products_.end()) return weight;
  const auto factor_of = [&](std::string_view part) {
    const std::string plain = product->second + std::string(part) + std::string(kWeight);
    const bool named = !file_.contains(plain);
    return file_.load(named ? product->second + std::string(part) + ".default.weight" : plain)
        .to(DType::f32);
  };
  const Tensor a = factor_of(".lora_A"), b = factor_of(".lora_B");  // [R, K], [N, R]
  const bool transposed = is_conv1d(std::string_view(name).substr(0, name.rfind('.')));
  const Tensor left = (transposed ? a.transpose(0, 1) : b).contiguous();
  const Tensor right = (transposed ? b.transpose(0, 1) : a).contiguous();
  const bool fits = a.rank() == 2 && b.rank() == 2 && weight.rank() == 2 &&
                    left.size(1) == right.size(0) && weight.size(0) == left.size(0) &&
                    weight.size(1) == right.size(1);
  if (!fits) {
    throw Error(ErrorCode::corrupt_data,
                "adapter " + where_ + ": " + in_quotes(name) + " is " + to_string(weight.shape()) +
                    " in its base model, which updates of " + to_string(a.shape()) + " and " +
                    to_string(b.shape()) + " do not fit");
  }
  const auto rank = static_cast<double>(a.size(0));
  const auto factor = static_cast<float>(alpha_ / (root_of_rank_ ? std::sqrt(rank) : rank));
  if (!std::isfinite(factor)) {
    throw Error(ErrorCode::corrupt_data,
                "adapter " + where_ + ": needed lora_alpha over the rank to be a finite number, " +
                    "found " + Json(alpha_).dump() + " over the rank " + std::to_string(a.size(0)) +
                    " of " + in_quotes(name));
  }
  const Tensor y = weight.to(DType::f32).clone();
  add_product(y, left, right, factor);
  return y;
}

}  // namespace internal
}  // namespace heed
