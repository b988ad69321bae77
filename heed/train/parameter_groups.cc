#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "heed/train/optimizer.h"

namespace heed {
namespace {

/// The first part of a name that is a number: 3 of "encoder.layer.3.attention.query.weight".
std::optional<int64_t> layer_of(std::string_view name) {
  while (!name.empty()) {
    const size_t dot = std::min(name.find('.'), name.size());
    const std::string_view part = name.substr(0, dot);
    int64_t number = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (error == std::errc() && end == part.data() + part.size() && number >= 0) return number;
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  return std::nullopt;
}

bool is_embedding(std::string_view name) {
  const auto has = [&](std::string_view part) { return name.find(part) != name.npos; };
  return has("embed") || has("wte") || has("wpe") || has("shared");
}

}  // namespace

std::vector<ParameterGroup> group_parameters(
    const NamedTensors& leaves, double weight_decay,
    const std::function<double(const std::string&)>& rate_factor) {
  std::vector<ParameterGroup> groups;
  for (const auto& [name, tensor] : leaves) {
    const double factor = rate_factor ? rate_factor(name) : 1;
    const double decay = tensor.rank() >= 2 ? weight_decay : 0;
    auto group = std::find_if(groups.begin(), groups.end(), [&](const ParameterGroup& one) {
      return one.rate_factor == factor && one.weight_decay == decay;
    });
    if (group == groups.end()) {
      group = groups.insert(groups.end(),
                            {.parameters = {}, .rate_factor = factor, .weight_decay = decay});
    }
    group->parameters.emplace_back(name, tensor);
  }
  return groups;
}

std::function<double(const std::string&)> layer_rates(const NamedTensors& leaves, double decay) {
  int64_t layers = 0;
  for (const auto& [name, tensor] : leaves) {
    layers = std::max(layers, layer_of(name).value_or(-1) + 1);
  }
  return [layers, decay](const std::string& name) {
    const auto power = [&](int64_t exponent) {
      return std::pow(decay, static_cast<double>(exponent));
    };
    if (const auto layer = layer_of(name)) return power(layers - *layer);
    return is_embedding(name) ? power(layers + 1) : 1.0;
  };
}

}  // namespace heed
