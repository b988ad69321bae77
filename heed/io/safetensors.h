#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed {

/// The tensors of a checkpoint by name, mapped, not read: one .safetensors file, or a folder with
/// model.safetensors or model.safetensors.index.json and its shards.
class Checkpoint {
 public:
  struct Entry {
    std::string dtype;  // as the file writes it: "F32", "BF16", "F8_E4M3"
    Shape shape;
    int64_t bytes = 0;
    std::filesystem::path file;
  };

  /// Throws Error not_found / corrupt_data saying what was needed and what was found.
  static Checkpoint open(const std::filesystem::path& file_or_folder);

  /// In name order.
  const std::map<std::string, Entry>& entries() const;
  bool contains(const std::string& name) const;
  /// A view of the mapped file (a copy where the file's data are misaligned). Error not_found names
  /// close matches; Error unsupported for a dtype Heed cannot hold.
  Tensor load(const std::string& name) const;
  /// The header's __metadata__.
  const std::map<std::string, std::string>& metadata() const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

/// Writes (temporary name, sync, rename) tensors in the given order.
void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace heed
