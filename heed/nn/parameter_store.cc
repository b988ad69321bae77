#include "heed/nn/parameter_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <numbers>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/base/philox.h"
#include "heed/ops/chunks.h"

namespace heed {
namespace {

bool is_real(DType dtype) {
  return dtype == DType::f64 || dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f16;
}

/// f32 in memory of its own.
Tensor own(const Tensor& x) {
  return x.dtype() == DType::f32 ? x.detach().clone() : x.detach().to(DType::f32);
}

/// FNV-1a (Fowler, Noll, Vo), 64 bits.
uint64_t hash_of(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

/// In [0, 1).
double unit(uint32_t word) { return static_cast<double>(word) * 0x1p-32; }

/// Numbers 4 i to 4 i + 3 of a start by random numbers.
std::array<double, 4> draw(const Init& init, uint64_t seed, uint64_t i) {
  const std::array<uint32_t, 4> words = philox(seed, i, PhiloxUse::parameters);
  std::array<double, 4> values{};
  for (size_t n = 0; n < 4; n += 2) {
    if (init.kind == Init::Kind::uniform) {
      for (const size_t m : {n, n + 1}) values[m] = 2 * unit(words[m]) - 1;
      continue;
    }
    // Box and Muller, 1958; 1 - u is never 0
    const double radius = std::sqrt(-2 * std::log(1 - unit(words[n])));
    const double angle = 2 * std::numbers::pi * unit(words[n + 1]);
    values[n] = radius * std::cos(angle);
    values[n + 1] = radius * std::sin(angle);
  }
  return values;
}

Tensor initial(const Init& init, uint64_t seed, const Shape& shape) {
  const Tensor values = Tensor::full(shape, init.kind == Init::Kind::ones ? 1.0F : 0.0F);
  if (init.kind == Init::Kind::zeros || init.kind == Init::Kind::ones) return values;
  const int64_t count = values.numel();
  float* const to = values.data<float>();
  parallel_chunks((count + 3) / 4, kElementsPerTask / 4, [&](int64_t begin, int64_t end) {
    for (int64_t quad = begin; quad < end; ++quad) {
      const std::array<double, 4> drawn = draw(init, seed, static_cast<uint64_t>(quad));
      for (int64_t i = 4 * quad; i < std::min(count, 4 * quad + 4); ++i) {
        to[i] = static_cast<float>(init.size * drawn[static_cast<size_t>(i % 4)]);
      }
    }
  });
  return values;
}

}  // namespace

Init Init::xavier_uniform(const Shape& shape) {
  HEED_ASSERT(shape.rank() == 2);
  return uniform(static_cast<float>(std::sqrt(6.0 / static_cast<double>(shape[0] + shape[1]))));
}

class ParameterStore::Leaves : public Params::Source {
 public:
  explicit Leaves(ParameterOptions options) : options_(std::move(options)) {}

  Tensor find(const std::string& name) const override {
    const std::scoped_lock lock(mutex_);
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? Tensor() : found->second;
  }
  Tensor create(const std::string& name, const Shape& shape) const override {
    if (!options_.init || (options_.needed && options_.needed(name))) return {};
    const uint64_t seed = derived_seed(options_.seed, hash_of(name));
    return keep(name, initial(options_.init(name, shape), seed, shape));
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : all()) names.push_back(name);
    return names;
  }
  std::string describe() const override { return options_.where; }
  bool in_place() const override { return true; }

  /// The one that is there if two threads make the same.
  Tensor keep(const std::string& name, const Tensor& values) const {
    const bool frozen = options_.frozen && options_.frozen(name);
    const std::scoped_lock lock(mutex_);
    return tensors_.emplace(name, frozen ? values : leaf(values)).first->second;
  }
  std::map<std::string, Tensor> all() const {
    const std::scoped_lock lock(mutex_);
    return tensors_;
  }

 private:
  ParameterOptions options_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, Tensor> tensors_;  // models make theirs through a const Source
};

ParameterStore::ParameterStore(ParameterOptions options)
    : leaves_(std::make_shared<Leaves>(std::move(options))) {}

ParameterStore::ParameterStore(const Checkpoint& checkpoint, ParameterOptions options)
    : ParameterStore(std::move(options)) {
  for (const auto& [name, entry] : checkpoint.entries()) {
    const Tensor stored = checkpoint.load(name);
    if (is_real(stored.dtype())) leaves_->keep(name, own(stored));
    checkpoint.release(name);
  }
}

ParameterStore::ParameterStore(const std::map<std::string, Tensor>& tensors,
                               ParameterOptions options)
    : ParameterStore(std::move(options)) {
  for (const auto& [name, tensor] : tensors) {
    if (is_real(tensor.dtype())) leaves_->keep(name, own(tensor));
  }
}

Params ParameterStore::params() const { return Params(leaves_); }

std::vector<std::string> ParameterStore::names() const { return leaves_->names(); }

bool ParameterStore::contains(const std::string& name) const {
  return leaves_->find(name).defined();
}

Tensor ParameterStore::operator[](const std::string& name) const {
  const Tensor found = leaves_->find(name);
  if (found) return found;
  const std::vector<std::string> all = names();
  throw Error(ErrorCode::not_found, fmt::format("parameters: {} is not one of these {}; the "
                                                "nearest: {}",
                                                name, all.size(), listed(closest(name, all))));
}

NamedTensors ParameterStore::trained() const {
  NamedTensors result;
  for (const auto& [name, tensor] : leaves_->all()) {
    if (tensor.traced()) result.emplace_back(name, tensor);
  }
  return result;
}

NamedTensors ParameterStore::tensors() const {
  NamedTensors result;
  for (const auto& [name, tensor] : leaves_->all()) result.emplace_back(name, tensor.detach());
  return result;
}

int64_t ParameterStore::numel() const {
  int64_t count = 0;
  for (const auto& [name, tensor] : leaves_->all()) count += tensor.numel();
  return count;
}

void ParameterStore::assign(const std::string& name, const Tensor& values) const {
  const Tensor to = (*this)[name];
  if (!(values.shape() == to.shape())) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("parameters: {} must be {} but is {}", name, to_string(to.shape()),
                            to_string(values.shape())));
  }
  const Tensor from = values.detach().to(DType::f32).contiguous();
  std::ranges::copy(from.span<float>(), to.data<float>());
}

void ParameterStore::clear_gradients() const {
  for (const auto& [name, tensor] : trained()) clear_gradient(tensor);
}

}  // namespace heed
