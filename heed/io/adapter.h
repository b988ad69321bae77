#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "heed/io/safetensors.h"

namespace heed {

/// The files of a low-rank adapter in PEFT's layout: what it is and changes, and its tensors.
inline constexpr const char* kAdapterConfig = "adapter_config.json";
inline constexpr const char* kAdapterWeights = "adapter_model.safetensors";

/// Whether a folder holds these and no weights of a whole model.
bool is_adapter(const std::filesystem::path& folder);

/// The folder of the model that an adapter's folder says it is for: a path (as it is, or from the
/// adapter's folder on) or a name in the hub's cache. Error not_found says what was looked for,
/// corrupt_data that it names none, unsupported that it is an adapter too.
std::filesystem::path adapter_base(const std::filesystem::path& folder);

/// The file of a model's folder by its name ("config.json"): its own or, where the folder is an
/// adapter's and has none, its base's. It may not be there.
std::filesystem::path model_file(const std::filesystem::path& folder, const std::string& name);

/// Whether a product's matrix is kept as [K, N]: those of GPT-2 (transformers' Conv1D),
/// "h.0.attn.c_attn".
bool is_conv1d(std::string_view product);

namespace internal {

/// What an adapter does to the tensors of its base (Hu et al., 2021): W + factor B A, and tensors
/// of its own in the place of some.
class Adapter {
 public:
  /// Errors unsupported for what is not a plain LoRA, corrupt_data for what contradicts itself.
  explicit Adapter(const std::filesystem::path& folder);

  /// Fits the adapter's names to those of the base, which may lack what stands before them, and
  /// gives what is to be put before the base's names. Error corrupt_data names a product that the
  /// base does not have.
  std::string fit(const std::map<std::string, Checkpoint::Entry>& base);

  /// Tensors of its own, by the names they have in the whole model.
  const std::map<std::string, std::string>& own() const { return own_; }
  const Checkpoint& file() const { return file_; }
  /// A tensor of the base as the adapter changes it; as it is where nothing is changed.
  Tensor applied(const std::string& name, const Tensor& weight) const;

 private:
  void sort_names(const std::filesystem::path& folder);

  Checkpoint file_;
  std::string where_;
  double alpha_ = 1;
  bool root_of_rank_ = false;                    // "rslora": alpha over the root of the rank
  std::map<std::string, std::string> own_;       // name in the model -> name in the file
  std::map<std::string, std::string> products_;  // "h.0.attn.c_attn.weight" -> the file's, without
                                                 // ".lora_A.weight"
};

}  // namespace internal
}  // namespace heed
