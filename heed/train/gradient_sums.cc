#include "heed/train/gradient_sums.h"

#include <algorithm>
#include <cstring>

#include "heed/base/error.h"

namespace heed {
namespace {

// 4 MiB: small enough that the first leaves early, large enough that a message's start costs
// little.
constexpr int64_t kBucketNumbers = 1 << 20;

void copy(const float* from, int64_t count, float* to) {
  if (count > 0) std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
}

}  // namespace

/// What travels together: for each process, whether the sender has a gradient of each parameter (1
/// or 0: their sum tells the owner how many have), and then the owner's parts of them.
struct GradientSums::Bucket {
  std::vector<size_t> parameters;
  size_t missing = 0;  // parameters that backward has still to come by
  Tensor values;
  std::unique_ptr<Pending> pending;

  void open(int64_t numbers) { values = Tensor::empty({numbers}); }
  void close() {
    pending = nullptr;
    values = Tensor();
  }
};

GradientSums::GradientSums(std::vector<SharedParameter> parameters, Group& group)
    : parameters_(std::move(parameters)),
      group_(group),
      sums_(parameters_.size()),
      came_(parameters_.size()) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    places_[parameters_[i].weight.trace().get()] = i;
  }
}

GradientSums::~GradientSums() = default;

void GradientSums::done(const Trace& leaf) {
  const auto place = places_.find(&leaf);
  if (place == places_.end() || came_[place->second]) return;
  const size_t parameter = place->second;
  came_[parameter] = true;
  if (buckets_.empty()) {
    order_.push_back(static_cast<int64_t>(parameter));
    return;
  }
  --buckets_[bucket_of_[parameter]]->missing;
  start_ready();
  for (size_t i = 0; i < started_; ++i) {
    if (buckets_[i]->pending != nullptr) buckets_[i]->pending->poll();
  }
}

/// The order of process 0; what it did not come by follows.
GradientSums::Numbers GradientSums::agreed_order() {
  for (size_t i = 0; i < came_.size(); ++i) {
    if (!came_[i]) order_.push_back(static_cast<int64_t>(i));
  }
  group_.broadcast(std::as_writable_bytes(std::span(order_)));
  return std::move(order_);
}

void GradientSums::make_buckets() {
  bucket_of_.resize(parameters_.size());
  int64_t numbers = 0;
  for (const int64_t place : agreed_order()) {
    const auto parameter = static_cast<size_t>(place);
    if (buckets_.empty() || numbers >= kBucketNumbers) {
      buckets_.push_back(std::make_unique<Bucket>());
      numbers = 0;
    }
    Bucket& bucket = *buckets_.back();
    bucket.parameters.push_back(parameter);
    if (!came_[parameter]) ++bucket.missing;
    bucket_of_[parameter] = buckets_.size() - 1;
    numbers += parameters_[parameter].weight.numel();
  }
}

void GradientSums::start_ready() {
  while (started_ < buckets_.size() && buckets_[started_]->missing == 0) {
    start(*buckets_[started_++]);
  }
}

/// Numbers of a bucket that each process owns, and some more.
GradientSums::Numbers GradientSums::counts(const Bucket& bucket, int64_t more_each) const {
  Numbers all(static_cast<size_t>(group_.size()), more_each);
  for (const size_t parameter : bucket.parameters) {
    for (int rank = 0; rank < group_.size(); ++rank) {
      all[static_cast<size_t>(rank)] += parameters_[parameter].count(rank);
    }
  }
  return all;
}

void GradientSums::start(Bucket& bucket) {
  const Numbers parts = counts(bucket, static_cast<int64_t>(bucket.parameters.size()));
  int64_t numbers = 0;
  for (const int64_t part : parts) numbers += part;
  bucket.open(numbers);
  std::vector<Tensor> gradients;
  for (const size_t parameter : bucket.parameters) {
    const Tensor gradient = heed::gradient(parameters_[parameter].weight);
    gradients.push_back(gradient ? gradient.contiguous() : gradient);
    clear_gradient(parameters_[parameter].weight);
  }
  float* to = bucket.values.data<float>();
  for (int rank = 0; rank < group_.size(); ++rank) {
    for (const Tensor& gradient : gradients) *to++ = gradient ? 1.0F : 0.0F;
    for (size_t i = 0; i < gradients.size(); ++i) {
      const SharedParameter& parameter = parameters_[bucket.parameters[i]];
      const int64_t count = parameter.count(rank);
      if (gradients[i]) {
        copy(gradients[i].data<float>() + parameter.begin(rank), count, to);
      } else {
        std::fill_n(to, count, 0.0F);
      }
      to += count;
    }
  }
  bucket.pending = group_.start_sum(bucket.values.span<float>(), parts);
}

/// The sums of this process's parts, out of a bucket that is done.
void GradientSums::take(Bucket& bucket) {
  const Numbers parts = counts(bucket, static_cast<int64_t>(bucket.parameters.size()));
  const int rank = group_.rank();
  int64_t at = 0;
  for (int before = 0; before < rank; ++before) at += parts[static_cast<size_t>(before)];
  const float* having = bucket.values.data<float>() + at;
  at += static_cast<int64_t>(bucket.parameters.size());
  for (const size_t parameter : bucket.parameters) {
    const int64_t count = parameters_[parameter].count(rank);
    if (*having++ > 0) {
      sums_[parameter] = Tensor::empty({count});
      copy(bucket.values.data<float>() + at, count, sums_[parameter].data<float>());
    }
    at += count;
  }
  bucket.close();
}

void GradientSums::finish() {
  if (buckets_.empty()) make_buckets();
  for (const auto& bucket : buckets_) bucket->missing = 0;
  start_ready();
  for (const auto& bucket : buckets_) {
    bucket->pending->wait();
    take(*bucket);
    bucket->missing = bucket->parameters.size();
  }
  for (const SharedParameter& parameter : parameters_) {
    HEED_ASSERT(!heed::gradient(parameter.weight));  // nothing came after it was said to be final
  }
  std::fill(came_.begin(), came_.end(), false);
  started_ = 0;
}

void GradientSums::forget_sums() {
  for (Tensor& sum : sums_) sum = Tensor();
}

void GradientSums::share_weights() {
  for (const auto& bucket : buckets_) {
    pack_weights(*bucket);
    bucket->pending = group_.start_share(bucket->values.span<float>(), counts(*bucket, 0));
  }
  for (const auto& bucket : buckets_) {
    bucket->pending->wait();
    unpack_weights(*bucket);
    bucket->close();
  }
}

/// Each owner's parts one after another, this process's filled in.
void GradientSums::pack_weights(Bucket& bucket) const {
  int64_t numbers = 0, own = 0;
  for (const size_t parameter : bucket.parameters) {
    numbers += parameters_[parameter].weight.numel();
    own += parameters_[parameter].begin(group_.rank());
  }
  bucket.open(numbers);
  float* to = bucket.values.data<float>() + own;
  for (const size_t i : bucket.parameters) {
    const SharedParameter& parameter = parameters_[i];
    const int64_t count = parameter.count(group_.rank());
    copy(parameter.weight.data<float>() + parameter.begin(group_.rank()), count, to);
    to += count;
  }
}

void GradientSums::unpack_weights(const Bucket& bucket) const {
  const float* from = bucket.values.data<float>();
  for (int rank = 0; rank < group_.size(); ++rank) {
    for (const size_t i : bucket.parameters) {
      const SharedParameter& parameter = parameters_[i];
      const int64_t count = parameter.count(rank);
      if (rank != group_.rank()) {
        copy(from, count, parameter.weight.data<float>() + parameter.begin(rank));
      }
      from += count;
    }
  }
}

}  // namespace heed
