#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "heed/io/json.h"
#include "heed/io/safetensors.h"
#include "heed/nn/params.h"
#include "tests/support.h"

// What tools/make_goldens.py wrote, and how tests compare with it.

namespace heed::testing {

/// A .safetensors file of tests/golden.
class Golden {
 public:
  explicit Golden(const std::filesystem::path& file)
      : checkpoint_(Checkpoint::open(golden_folder() / file)) {}

  Tensor operator[](const std::string& name) const { return checkpoint_.load(name); }
  /// Undefined if absent.
  Tensor maybe(const std::string& name) const {
    return checkpoint_.contains(name) ? checkpoint_.load(name) : Tensor();
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : checkpoint_.entries()) names.push_back(name);
    return names;
  }
  Params params() const { return Params::from(checkpoint_, "the golden"); }
  Json metadata(const std::string& key) const {
    return parse_json(checkpoint_.metadata().at(key), key);
  }

 private:
  Checkpoint checkpoint_;
};

/// The largest |a - b|; NaN counts as infinitely far.
inline double distance(const Tensor& a, const Tensor& b) {
  const Tensor x = a.contiguous(), y = b.contiguous();
  double largest = 0;
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double apart = std::abs(static_cast<double>(x.data<float>()[i]) - y.data<float>()[i]);
    largest = apart <= largest ? largest : std::isnan(apart) ? INFINITY : apart;
  }
  return largest;
}

/// What rounding f64 to f32 for a file may add to a relative L2 distance.
constexpr double kStored = 1e-7;

inline double l2_distance(const Tensor& a, const Tensor& b) {
  const Tensor x = a.detach().contiguous(), y = b.detach().contiguous();
  double squares = 0;
  for (int64_t i = 0; i < x.numel(); ++i) {
    squares += std::pow(static_cast<double>(x.data<float>()[i]) - y.data<float>()[i], 2);
  }
  return std::sqrt(squares);
}
inline double l2_norm(const Tensor& a) { return l2_distance(a, Tensor::zeros(a.shape())); }

inline void expect_close(const Tensor& actual, const Tensor& expected, double tolerance,
                         const std::string& what) {
  ASSERT_EQ(to_string(actual.shape()), to_string(expected.shape())) << what;
  EXPECT_LE(distance(actual, expected), tolerance) << what;
}

/// Equal bit for bit.
inline void expect_same_bits(const Tensor& a, const Tensor& b, const std::string& what) {
  ASSERT_EQ(to_string(a.shape()), to_string(b.shape())) << what;
  const Tensor x = a.contiguous(), y = b.contiguous();
  const auto bytes = static_cast<size_t>(x.numel() * size_of(x.dtype()));
  EXPECT_EQ(std::memcmp(x.raw_data(), y.raw_data(), bytes), 0) << what;
}

}  // namespace heed::testing
