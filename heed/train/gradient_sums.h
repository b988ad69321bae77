#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "heed/autograd/tape.h"
#include "heed/dist/group.h"

namespace heed {

/// A parameter that processes share: process r owns elements cuts[r] to cuts[r + 1] of it.
struct SharedParameter {
  Tensor weight;  // a leaf
  std::vector<int64_t> cuts;

  int64_t begin(int rank) const { return cuts[static_cast<size_t>(rank)]; }
  int64_t count(int rank) const { return cuts[static_cast<size_t>(rank) + 1] - begin(rank); }
};

/// Sums gradients over a group's processes while backward goes on. Gradients travel in buckets of
/// several parameters; a bucket leaves when backward has come by all its parameters, and gradients
/// that left are cleared. Buckets are filled in the order in which the first backward came by the
/// parameters, as process 0 saw it.
class GradientSums {
 public:
  GradientSums(std::vector<SharedParameter> parameters, Group& group);
  ~GradientSums();
  GradientSums(const GradientSums&) = delete;
  GradientSums& operator=(const GradientSums&) = delete;

  /// The gradient of a leaf is final; others' leaves are none of its business.
  void done(const Trace& leaf);
  /// Gradients that no one told of are final too; waits for all sums.
  void finish();
  /// After finish(): this process's part of a parameter's summed gradient, flat; undefined if no
  /// process had a gradient.
  const Tensor& sum(size_t parameter) const { return sums_[parameter]; }
  void forget_sums();

  /// Every process gets the weights as their owners have them.
  void share_weights();

 private:
  struct Bucket;
  using Numbers = std::vector<int64_t>;

  void make_buckets();
  Numbers agreed_order();
  void start_ready();
  void start(Bucket& bucket);
  void take(Bucket& bucket);
  void pack_weights(Bucket& bucket) const;
  void unpack_weights(const Bucket& bucket) const;
  Numbers counts(const Bucket& bucket, int64_t more_each) const;

  std::vector<SharedParameter> parameters_;
  Group& group_;
  std::unordered_map<const Trace*, size_t> places_;
  std::vector<Tensor> sums_;
  std::vector<bool> came_;  // of parameters, in this update
  Numbers order_;           // in which the first backward came by
  std::vector<std::unique_ptr<Bucket>> buckets_;
  std::vector<size_t> bucket_of_;
  size_t started_ = 0;  // buckets, in order: all processes start the same ones in the same order
};

}  // namespace heed
