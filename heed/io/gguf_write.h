#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/progress.h"
#include "heed/io/gguf.h"

namespace heed {

/// Takes a file's next bytes.
using ByteSink = std::function<void(std::span<const std::byte>)>;

/// A GGUF file to be written: metadata and tensors in the order of adding.
class GgufWriter {
 public:
  struct TensorData {
    std::string name;
    BlockKind kind = BlockKind::f32;
    Shape shape;  // the contiguous dimension last, a whole number of the kind's blocks
    /// Called once, when the tensor's turn has come: puts all of its bytes, in pieces of any size,
    /// so that no more than a piece need be in memory.
    std::function<void(const ByteSink& put)> data;
  };

  void add_text(std::string_view key, std::string_view value);
  void add_u32(std::string_view key, uint32_t value);
  void add_f32(std::string_view key, float value);
  void add_boolean(std::string_view key, bool value);
  void add_texts(std::string_view key, std::span<const std::string> values);
  void add_i32s(std::string_view key, std::span<const int32_t> values);
  void add_f32s(std::string_view key, std::span<const float> values);
  /// A value of another file as it is there.
  void add_value(std::string_view key, const Gguf::Value& value);
  void add_tensor(TensorData tensor) { tensors_.push_back(std::move(tensor)); }

  /// Writes version 3 (temporary name, sync, rename); progress in bytes of tensors. Error
  /// invalid_argument for keys or names given twice, empty or longer than readers take (64 bytes
  /// for llama.cpp's tensors), and for shapes that are no whole blocks; io_failure with nothing
  /// left behind; cancelled.
  void write(const std::filesystem::path& path, const Progress& progress = {}) const;

 private:
  struct Field {
    std::string key;
    std::string bytes;  // type and value
  };
  void add(std::string_view key, Gguf::Type type, std::string bytes);
  template <class T>
  void add_list(std::string_view key, Gguf::Type element, std::span<const T> values);
  void check() const;
  std::string header() const;

  std::vector<Field> fields_;
  std::vector<TensorData> tensors_;
};

}  // namespace heed
