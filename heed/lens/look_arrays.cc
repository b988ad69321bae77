#include "heed/lens/look_arrays.h"

#include <cstring>

namespace heed {
namespace {

bool is_edges(const std::string& name) { return name.ends_with("_edges"); }

NamedTensors reported(const Look& look, int64_t layer) {
  auto arrays = named_arrays(look.reports[static_cast<size_t>(layer)], look.want);
  std::erase_if(arrays, [](const auto& one) { return one.first == "listed"; });
  return arrays;
}

/// [1, H, ...] of each layer -> [L, H, ...].
Tensor stacked(const Look& look, size_t index) {
  std::vector<Tensor> parts;
  for (int64_t layer = 0; layer < look.layers(); ++layer) {
    parts.push_back(reported(look, layer)[index].second);
  }
  Shape shape = parts[0].shape();
  shape[0] = look.layers();
  const Tensor out = Tensor::empty(shape, parts[0].dtype());
  for (int64_t layer = 0; layer < look.layers(); ++layer) {
    const Tensor from = parts[static_cast<size_t>(layer)].contiguous();
    std::memcpy(out.select(0, layer).raw_data(), from.raw_data(),
                static_cast<size_t>(from.numel() * size_of(from.dtype())));
  }
  return out;
}

}  // namespace

NamedTensors look_arrays(const Look& look) {
  NamedTensors out;
  if (look.weights) {
    out.emplace_back("weights", look.weights);
  } else {
    const auto first = reported(look, 0);
    for (size_t i = 0; i < first.size(); ++i) {
      const auto& [name, array] = first[i];
      out.emplace_back(name, is_edges(name) ? array : stacked(look, i));
    }
  }
  if (look.value_norms) out.emplace_back("value_norms", look.value_norms);
  return out;
}

NamedTensors head_arrays(const Look& look, int64_t layer, int64_t head) {
  NamedTensors out;
  for (const auto& [name, array] : reported(look, layer)) {
    out.emplace_back(name, is_edges(name) ? array : array.select(0, 0).select(0, head));
  }
  return out;
}

}  // namespace heed
