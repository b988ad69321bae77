#include "heed/train/sharded_optimizer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/io/json.h"

namespace heed {
namespace {

constexpr int64_t kCutNumbers = 16;  // shares begin where a cache line does

/// "h.0.weight" of "h.0.weight.exp_avg".
std::string parameter_of(const std::string& state) { return state.substr(0, state.rfind('.')); }

/// What a process has of the state, as process 0 reads it before the numbers come.
Json listing(const NamedTensors& tensors) {
  Json all = Json::array();
  for (const auto& [name, tensor] : tensors) {
    const Shape& shape = tensor.shape();
    all.push_back({{"name", name},
                   {"is_count", tensor.dtype() == DType::i64},
                   {"shape", std::vector<int64_t>(shape.begin(), shape.end())}});
  }
  return all;
}

std::string_view bytes_of(const Tensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.raw_data()),
          static_cast<size_t>(tensor.numel() * size_of(tensor.dtype()))};
}

}  // namespace

ShardedOptimizer::ShardedOptimizer(const OptimizerOptions& options,
                                   const std::vector<ParameterGroup>& groups, Group& group)
    : group_(group),
      cuts_parameters_(options.kind != OptimizerKind::adafactor),
      load_(static_cast<size_t>(group.size())) {
  optimizer_ = make_optimizer(options, is_single() ? groups : shares_of(groups));
  if (!is_single()) sums_ = std::make_unique<GradientSums>(parameters_, group_);
}

/// Even cuts; or all of it for the process that owns least so far.
std::vector<int64_t> ShardedOptimizer::cuts_of(const Tensor& weight) {
  const int64_t numbers = weight.numel();
  std::vector<int64_t> cuts;
  const auto least = std::ranges::min_element(load_) - load_.begin();
  for (int64_t rank = 0; rank < group_.size(); ++rank) {
    const int64_t even = numbers * rank / group_.size() / kCutNumbers * kCutNumbers;
    cuts.push_back(cuts_parameters_ ? even : rank <= least ? 0 : numbers);
  }
  cuts.push_back(numbers);
  for (size_t rank = 0; rank < load_.size(); ++rank) load_[rank] += cuts[rank + 1] - cuts[rank];
  return cuts;
}

std::vector<ParameterGroup> ShardedOptimizer::shares_of(const std::vector<ParameterGroup>& groups) {
  std::vector<ParameterGroup> shares;
  for (const ParameterGroup& group : groups) {
    shares.push_back({.rate_factor = group.rate_factor, .weight_decay = group.weight_decay});
    for (const auto& [name, weight] : group.parameters) {
      places_[name] = parameters_.size();
      parameters_.push_back({weight, cuts_of(weight)});
      const SharedParameter& parameter = parameters_.back();
      const int64_t begin = parameter.begin(group_.rank()), count = parameter.count(group_.rank());
      own_.emplace_back();
      if (count == 0) continue;
      const Tensor whole = weight.detach();
      own_.back() =
          leaf(cuts_parameters_ ? whole.reshape({-1}).slice(0, begin, begin + count) : whole);
      shares.back().parameters.emplace_back(name, own_.back());
    }
  }
  return shares;
}

void ShardedOptimizer::backward(const Tensor& loss, double factor, bool last) {
  const Tensor dy = Tensor::full({1}, static_cast<float>(factor)).reshape(loss.shape());
  LeafDone done;
  if (last && !is_single()) done = [this](const Trace& leaf) { sums_->done(leaf); };
  heed::backward(loss, dy, done);
}

double ShardedOptimizer::gradient_norm() {
  if (is_single()) return optimizer_->gradient_norm();
  sums_->finish();
  for (size_t i = 0; i < own_.size(); ++i) {
    const Tensor& sum = sums_->sum(i);
    if (own_[i] && sum) heed::backward(own_[i], sum.reshape(own_[i].shape()));
  }
  const double mine = optimizer_->gradient_squares();
  double squares = 0;
  for (const double part : group_.all_gather(std::span(&mine, 1))) squares += part;
  return std::sqrt(squares);
}

void ShardedOptimizer::step(double learning_rate, double gradient_factor) {
  optimizer_->step(learning_rate, gradient_factor);
  skip();
  if (!is_single()) sums_->share_weights();
}

void ShardedOptimizer::skip() {
  if (is_single()) return;
  for (const Tensor& own : own_) {
    if (own) clear_gradient(own);
  }
  sums_->forget_sums();
}

NamedTensors ShardedOptimizer::state() const {
  const NamedTensors mine = optimizer_->state();
  if (is_single()) return mine;
  std::vector<Json> lists;
  for (const std::string& text : group_.gather(listing(mine).dump())) {
    lists.push_back(Json::parse(text));
  }
  const auto most = group_.all_gather(std::vector<double>{static_cast<double>(mine.size())});
  std::map<std::string, Tensor> whole;
  for (size_t i = 0; i < static_cast<size_t>(std::ranges::max(most)); ++i) {
    const auto parts = group_.gather(i < mine.size() ? bytes_of(mine[i].second) : "");
    for (size_t rank = 0; rank < parts.size(); ++rank) {
      if (i >= lists[rank].size()) continue;
      const Json& entry = lists[rank][i];
      const std::string name = entry.at("name");
      const SharedParameter& parameter = parameters_[places_.at(parameter_of(name))];
      const bool is_count = entry.at("is_count");
      const bool is_part = cuts_parameters_ && !is_count;
      const Shape shape =
          is_part ? parameter.weight.shape() : Shape(entry.at("shape").get<std::vector<int64_t>>());
      Tensor& to = whole[name];
      if (!to) to = Tensor::empty(shape, is_count ? DType::i64 : DType::f32);
      const int64_t at = is_part ? parameter.begin(static_cast<int>(rank)) : 0;
      std::memcpy(to.raw_data() + at * size_of(to.dtype()), parts[rank].data(), parts[rank].size());
    }
  }
  return {whole.begin(), whole.end()};
}

/// This process's share of a state that is kept for a whole parameter.
Tensor ShardedOptimizer::share_of(const SharedParameter& parameter, const std::string& state,
                                  const Tensor& whole) const {
  if (!cuts_parameters_ || whole.dtype() != DType::f32) return whole;
  if (!(whole.shape() == parameter.weight.shape())) {
    throw Error(ErrorCode::corrupt_data, "optimizer state: " + in_quotes(state) + " must be " +
                                             to_string(parameter.weight.shape()) + " but is " +
                                             to_string(whole.shape()));
  }
  const int64_t begin = parameter.begin(group_.rank());
  return whole.contiguous().reshape({-1}).slice(0, begin, begin + parameter.count(group_.rank()));
}

void ShardedOptimizer::load_state(const NamedTensors& state) {
  if (is_single()) return optimizer_->load_state(state);
  NamedTensors shares;
  for (const auto& [name, tensor] : state) {
    const auto place = places_.find(parameter_of(name));
    const bool elsewhere = place != places_.end() && !own_[place->second];
    if (elsewhere) continue;
    shares.emplace_back(name, place == places_.end()
                                  ? tensor  // an Error below
                                  : share_of(parameters_[place->second], name, tensor));
  }
  optimizer_->load_state(shares);
}

}  // namespace heed
