#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "heed/base/progress.h"
#include "heed/tensor/named_tensors.h"

namespace heed {

/// The tensors of a checkpoint by name, mapped, not read: one .safetensors file, or a folder with
/// model.safetensors or model.safetensors.index.json and its shards, or one with a low-rank adapter
/// in PEFT's layout, whose base model's tensors are then given as the adapter changes them. The
/// files must not be cut while they are in use (replacing them, as safe writers do, is fine).
class Checkpoint {
 public:
  struct Entry {
    std::string dtype;  // as the file writes it: "F32", "BF16", "F8_E4M3"
    Shape shape;
    int64_t bytes = 0;
    std::filesystem::path file;
    int64_t offset_bytes = 0;  // of its first byte in the file
  };

  /// Throws Error not_found / corrupt_data saying what was needed and what was found.
  static Checkpoint open(const std::filesystem::path& file_or_folder);
  /// One safetensors file's content in memory; `where` names it in errors and entries.
  static Checkpoint parse(std::shared_ptr<Storage> content, const std::string& where);

  /// In name order.
  const std::map<std::string, Entry>& entries() const;
  bool contains(const std::string& name) const;
  /// A view of the mapped file (a copy where the file's data are misaligned). Error not_found names
  /// close matches; Error unsupported for a dtype Heed cannot hold.
  Tensor load(const std::string& name) const;
  /// Gives the mapped pages of a tensor back to the system, as one does after packing its weights:
  /// tensors that view them stay valid, reading them again reads the file again. Nothing happens
  /// for an unknown name or a checkpoint in memory.
  void release(const std::string& name) const;
  /// The header's __metadata__ (of all shards; the first one's value where they differ).
  const std::map<std::string, std::string>& metadata() const;

 private:
  struct Impl;
  Tensor load_stored(const std::string& name) const;
  explicit Checkpoint(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// Writes (temporary name, sync, rename) tensors in the given order, but those of wider elements
/// first, so that none is misaligned. Error invalid_argument for equal names, names that are not
/// UTF-8 and undefined tensors.
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {});

/// A tensor that is made when its turn to be written has come.
struct PendingTensor {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::function<Tensor()> make;
};

/// The same for more tensors than memory need hold: one at a time. Progress in bytes of tensors.
/// What `make` throws leaves nothing behind.
void stream_safetensors(const std::filesystem::path& path,
                        const std::vector<PendingTensor>& tensors,
                        const std::map<std::string, std::string>& metadata = {},
                        const Progress& progress = {});

}  // namespace heed
