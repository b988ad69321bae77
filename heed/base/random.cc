#include "heed/base/random.h"

#include <cmath>
#include <numbers>

namespace heed {
namespace {

constexpr size_t kBlock = 16;  // the width of torch's vectorised Box-Muller

}  // namespace

void TorchRandom::rand(std::span<float> out) {
  for (float& x : out) x = static_cast<float>(engine_() & 0xFFFFFFu) * 0x1p-24f;
}

void TorchRandom::uniform(std::span<float> out, double low, double high) {
  const auto from = static_cast<float>(low);
  const auto to = static_cast<float>(high);
  rand(out);
  for (float& x : out) x = x * (to - from) + from;
}

void TorchRandom::randn(std::span<float> out) {
  if (out.size() < kBlock) return randn_few(out);
  rand(out);
  for (size_t i = 0; i + kBlock <= out.size(); i += kBlock) randn_block(out.subspan(i, kBlock));
  if (out.size() % kBlock != 0) {
    const std::span<float> last = out.last(kBlock);
    rand(last);
    randn_block(last);
  }
}

void TorchRandom::dropout_mask(std::span<float> out, double keep) {
  const auto kept = static_cast<float>(1 / keep);
  for (float& x : out) x = uniform_53() < keep ? kept : 0.0f;
}

double TorchRandom::uniform_53() {
  const uint64_t high = engine_();
  const uint64_t low = engine_();
  return static_cast<double>(((high << 32) | low) & ((uint64_t{1} << 53) - 1)) * 0x1p-53;
}

void TorchRandom::randn_few(std::span<float> out) {
  for (float& x : out) {
    if (spare_normal_) {
      x = static_cast<float>(*spare_normal_);
      spare_normal_.reset();
      continue;
    }
    const double angle = 2 * std::numbers::pi * uniform_53();
    const double radius = std::sqrt(-2 * std::log1p(-uniform_53()));
    spare_normal_ = radius * std::sin(angle);
    x = static_cast<float>(radius * std::cos(angle));
  }
}

void TorchRandom::randn_block(std::span<float> block) {
  for (size_t j = 0; j < kBlock / 2; ++j) {
    const float radius = std::sqrt(-2 * std::log(1 - block[j]));
    const float angle = 2 * std::numbers::pi_v<float> * block[j + kBlock / 2];
    block[j] = radius * std::cos(angle);
    block[j + kBlock / 2] = radius * std::sin(angle);
  }
}

double NumpyRandom::randn() {
  if (spare_normal_) {
    const double spare = *spare_normal_;
    spare_normal_.reset();
    return spare;
  }
  double x = 0;
  double y = 0;
  double square = 0;
  do {
    x = 2 * uniform_53() - 1;
    y = 2 * uniform_53() - 1;
    square = x * x + y * y;
  } while (square >= 1 || square == 0);
  const double factor = std::sqrt(-2 * std::log(square) / square);
  spare_normal_ = factor * x;
  return factor * y;
}

double NumpyRandom::uniform_53() {
  const uint64_t high = engine_() >> 5;
  const uint64_t low = engine_() >> 6;
  return static_cast<double>((high << 26) | low) * 0x1p-53;
}

}  // namespace heed
