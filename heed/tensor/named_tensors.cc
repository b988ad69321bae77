#include "heed/tensor/named_tensors.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "heed/base/error.h"
#include "heed/base/message.h"

namespace heed {
namespace {

std::string describe(const Tensor& tensor) {
  return std::string(to_string(tensor.dtype())) + " " + to_string(tensor.shape());
}

}  // namespace

Tensor find_tensor(const NamedTensors& tensors, std::string_view name) {
  const auto found = std::ranges::find(tensors, name, &NamedTensors::value_type::first);
  return found == tensors.end() ? Tensor() : found->second;
}

void copy_tensors(const NamedTensors& from, const NamedTensors& to, std::string_view what) {
  const auto fail = [&](const std::string& found) {
    throw Error(ErrorCode::corrupt_data, std::string(what) + ": " + found);
  };
  std::map<std::string_view, const Tensor*> left;
  for (const auto& [name, tensor] : from) left.emplace(name, &tensor);
  std::vector<const Tensor*> sources;
  std::vector<std::string> missing;
  for (const auto& [name, tensor] : to) {
    const auto found = left.find(name);
    if (found == left.end()) {
      missing.push_back(name);
      continue;
    }
    const Tensor& source = *found->second;
    if (source.shape() != tensor.shape() || source.dtype() != tensor.dtype()) {
      fail(in_quotes(name) + " must be " + describe(tensor) + " but is " + describe(source));
    }
    sources.push_back(&source);
    left.erase(found);
  }
  if (!missing.empty()) fail("needed " + listed(missing, 4) + ", found no such tensor");
  if (!left.empty()) {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : left) names.emplace_back(name);
    fail("found " + listed(names, 4) + ", which nothing here takes");
  }
  for (size_t i = 0; i < to.size(); ++i) {
    const Tensor source = sources[i]->contiguous();
    const Tensor& target = to[i].second;
    HEED_ASSERT(target.is_contiguous());
    const int64_t bytes = target.numel() * size_of(target.dtype());
    if (bytes > 0) {
      std::memcpy(target.raw_data(), source.raw_data(), static_cast<size_t>(bytes));
    }
  }
}

}  // namespace heed
