#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <span>

namespace heed {

/// PyTorch's CPU generator: after torch.manual_seed(seed) the same calls in the same order give the
/// same numbers, so that published listings can be recomputed without torch. rand and dropout agree
/// bit for bit, uniform to an ulp, randn to 1e-6 (torch's vector code has its own log and cos).
class TorchRandom {
 public:
  explicit TorchRandom(uint64_t seed) : engine_(static_cast<uint32_t>(seed)) {}

  /// torch.rand: 24 bits a number, in [0, 1).
  void rand(std::span<float> out);
  /// tensor.uniform_(low, high), as the initialisers of torch.nn use it.
  void uniform(std::span<float> out, double low, double high);
  /// torch.randn. From 16 numbers on torch uses another method than for fewer (Box-Muller over
  /// blocks of 16 uniform numbers), and so does this.
  void randn(std::span<float> out);
  /// The mask of nn.Dropout(1 - keep) in training: 1 / keep where a number stays, else 0.
  void dropout_mask(std::span<float> out, double keep);

 private:
  double uniform_53();
  void randn_few(std::span<float> out);
  void randn_block(std::span<float> block);

  std::mt19937 engine_;  // its seeding is the reference implementation's init_genrand
  std::optional<double> spare_normal_;
};

/// NumPy's legacy generator: RandomState(seed), equal bit for bit.
class NumpyRandom {
 public:
  explicit NumpyRandom(uint32_t seed) : engine_(seed) {}

  /// One number of RandomState.randn (Marsaglia's polar method).
  double randn();

 private:
  double uniform_53();

  std::mt19937 engine_;
  std::optional<double> spare_normal_;
};

}  // namespace heed
