#include "heed/nn/params.h"

#include <fmt/format.h>

#include <mutex>
#include <set>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/ops/blocks.h"

namespace heed {
namespace {

class CheckpointSource : public Params::Source {
 public:
  CheckpointSource(Checkpoint checkpoint, std::string description)
      : checkpoint_(std::move(checkpoint)), description_(std::move(description)) {}

  Tensor find(const std::string& name) const override {
    return checkpoint_.contains(name) ? checkpoint_.load(name) : Tensor();
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& [name, entry] : checkpoint_.entries()) names.push_back(name);
    return names;
  }
  std::string describe() const override { return description_; }
  void release(const std::string& name) const override { checkpoint_.release(name); }

 private:
  Checkpoint checkpoint_;
  std::string description_;
};

class MapSource : public Params::Source {
 public:
  explicit MapSource(std::map<std::string, Tensor> tensors) : tensors_(std::move(tensors)) {}

  Tensor find(const std::string& name) const override {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? Tensor() : found->second;
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors_) names.push_back(name);
    return names;
  }
  std::string describe() const override { return "the given tensors"; }

 private:
  std::map<std::string, Tensor> tensors_;
};

bool is_computed(DType dtype) {
  return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f16;
}

}  // namespace

struct Params::State {
  std::shared_ptr<const Source> source;
  std::mutex mutex;
  std::set<std::string> asked;
  std::set<std::string> kept;  // of those: used where they lie
  bool trained = false;
};

Params::Params(std::shared_ptr<const Source> source) : state_(std::make_shared<State>()) {
  state_->source = std::move(source);
}

Params Params::from(const Checkpoint& checkpoint, const std::string& description) {
  return Params(std::make_shared<CheckpointSource>(checkpoint, description));
}

Params Params::from(std::map<std::string, Tensor> tensors) {
  return Params(std::make_shared<MapSource>(std::move(tensors)));
}

const std::shared_ptr<const Params::Source>& Params::source() const { return state_->source; }

Params Params::operator/(std::string_view part) const {
  Params result = *this;
  result.prefix_ = full_name(part);
  return result;
}

Params Params::operator/(int64_t index) const { return *this / std::to_string(index); }

std::string Params::full_name(std::string_view name) const {
  return prefix_.empty() ? std::string(name) : fmt::format("{}.{}", prefix_, name);
}

Tensor Params::tensor(std::string_view name, const Shape& shape) const {
  Tensor found = maybe(name, shape);
  if (found) return found;
  const Source& source = *state_->source;
  const std::string full = full_name(name);
  if (Tensor made = source.create(full, shape)) return given(full, made);
  const std::vector<std::string> names = source.names();
  const std::vector<std::string> meant = closest(full, names);
  const std::string nearest = meant.empty()
                                  ? fmt::format("none of its {} names is like it", names.size())
                                  : "the nearest there: " + listed(meant);
  throw Error(ErrorCode::not_found,
              fmt::format("weights: {} {} is needed but is not in {}; {}", full, to_string(shape),
                          source.describe(), nearest));
}

Tensor Params::maybe(std::string_view name, const Shape& shape) const {
  const std::string full = full_name(name);
  const Tensor found = state_->source->find(full);
  if (!found) {
    const auto quantized = state_->source->blocks(full);
    if (!quantized) return found;
    check_shape(full, shape, {quantized->rows, quantized->columns});
    return given(full, dequantize(*quantized));
  }
  check_shape(full, shape, found.shape());
  if (!is_computed(found.dtype())) {
    throw Error(ErrorCode::unsupported,
                fmt::format("weights: {} is {} in {}; Heed computes f32, bf16 and f16", full,
                            to_string(found.dtype()), state_->source->describe()));
  }
  return given(full, found);
}

std::optional<BlockMatrix> Params::blocks(std::string_view name, int64_t rows,
                                          int64_t columns) const {
  const std::string full = full_name(name);
  const std::optional<BlockMatrix> found = state_->source->blocks(full);
  if (!found) return found;
  check_shape(full, {rows, columns}, {found->rows, found->columns});
  const std::scoped_lock lock(state_->mutex);
  state_->asked.insert(full);
  state_->kept.insert(full);
  return found;
}

void Params::check_shape(const std::string& full, const Shape& needed, const Shape& found) const {
  if (found == needed) return;
  throw Error(ErrorCode::corrupt_data,
              fmt::format("weights: {} must be {} but is {} in {}; the configuration does not "
                          "belong to these weights",
                          full, to_string(needed), to_string(found), state_->source->describe()));
}

Tensor Params::given(const std::string& full, const Tensor& weight) const {
  const std::scoped_lock lock(state_->mutex);
  state_->asked.insert(full);
  state_->trained |= weight.traced();
  return weight;
}

bool Params::trained() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->trained;
}

bool Params::contains(std::string_view name) const {
  const std::string full = full_name(name);
  return state_->source->find(full).defined() || state_->source->blocks(full).has_value();
}

bool Params::covers(std::string_view full) const {
  return prefix_.empty() ||
         (full.starts_with(prefix_) && full.size() > prefix_.size() && full[prefix_.size()] == '.');
}

void Params::release() const {
  const std::scoped_lock lock(state_->mutex);
  for (const std::string& name : state_->asked) {
    if (covers(name) && !state_->kept.contains(name)) state_->source->release(name);
  }
}

std::vector<std::string> Params::unused() const {
  std::vector<std::string> names = state_->source->names();
  const std::scoped_lock lock(state_->mutex);
  std::erase_if(names, [&](const std::string& name) {
    return !covers(name) || state_->asked.contains(name);
  });
  return names;
}

}  // namespace heed
