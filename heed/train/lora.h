#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "heed/nn/parameter_store.h"
#include "heed/tensor/named_tensors.h"

namespace heed {

struct LoraOptions {
  int64_t rank = 8;
  double alpha = 16;
  std::vector<std::string> targets;  // ends of the products' names: "query", "value"
  std::vector<std::string> freeze;   // starts of the names of weights that get no adapter
  uint64_t seed = 0;
};

/// Low-rank adapters (Hu et al., 2021, arXiv:2106.09685): the model sees W + alpha / rank B A for
/// each target's weight W [N, K], with A [rank, K] and B [N, rank] trained and W frozen; B starts
/// as zeros, A as U(-1/sqrt(K), 1/sqrt(K)). GPT-2's matrices are [K, N] and get the transpose. A
/// model that is built from params() has weights of this moment: build it anew when the adapters
/// change.
class Lora {
 public:
  /// base: frozen parameters, by the model's names. Error invalid_argument without targets or for a
  /// rank below 1.
  Lora(ParameterStore base, LoraOptions options);

  Params params() const;
  /// The adapters, "<product>.lora_A.weight" and "<product>.lora_B.weight", once a model was built.
  const ParameterStore& adapters() const;
  /// Error invalid_argument names a target that no product of the model has, or none that is not
  /// frozen.
  void check() const;

  /// All weights with the adapters added, as a checkpoint without adapters has them.
  NamedTensors merged() const;
  /// PEFT's layout: adapter_config.json and adapter_model.safetensors. before: what stands before
  /// the products' names in the class that PEFT is given ("transformer." of a bare GPT-2). saved:
  /// what was trained beside the adapters (a classifier), under its own names.
  void write(const std::filesystem::path& folder, const std::string& base_model,
             const std::string& before, const NamedTensors& saved) const;

 private:
  class Source;
  std::shared_ptr<const Source> source_;
};

/// The products that adapters go to if none are named: BERT's query and value, GPT-2's c_attn, the
/// 2017 model's linear1 and linear2.
std::vector<std::string> usual_lora_targets(const std::string& model_type);

}  // namespace heed
