#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/file.h"
#include "heed/tensor/tensor.h"

// A case of ONNX's backend tests: one node, its inputs and what must come out. Only the few fields
// of onnx.proto that these cases use are read.

namespace heed::testing {

/// Protocol-buffer wire format: a message as its (field number, value) pairs.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}

  /// Moves to the next field; false at the end.
  bool next() {
    if (bytes_.empty()) return false;
    const uint64_t key = varint();
    field = key >> 3;
    switch (key & 7) {
      case 0:
        number = varint();
        break;
      case 1:
        text = take(8);
        break;
      case 2:
        text = take(varint());
        break;
      case 5:
        text = take(4);
        break;
      default:
        throw std::runtime_error("unknown wire type");
    }
    return true;
  }

  uint64_t field = 0;
  uint64_t number = 0;    // of a varint
  std::string_view text;  // of everything else

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) break;
    }
    return value;
  }
  bool done() const { return bytes_.empty(); }

 private:
  std::string_view take(uint64_t n) {
    if (n > bytes_.size()) throw std::runtime_error("a message ends early");
    const std::string_view head = bytes_.substr(0, n);
    bytes_.remove_prefix(n);
    return head;
  }
  std::string_view bytes_;
};

/// TensorProto with raw_data; an undefined Tensor for a type that tests do not use.
inline Tensor parse_onnx_tensor(std::string_view bytes) {
  static const std::map<uint64_t, DType> kTypes{
      {1, DType::f32}, {7, DType::i64}, {9, DType::boolean}, {10, DType::f16}};
  Shape shape;
  DType dtype = DType::f32;
  std::string_view raw;
  for (WireReader message(bytes); message.next();) {
    if (message.field == 1 && message.text.empty()) {
      shape.push_back(static_cast<int64_t>(message.number));
    } else if (message.field == 1) {
      for (WireReader packed(message.text); !packed.done();) {
        shape.push_back(static_cast<int64_t>(packed.varint()));
      }
    } else if (message.field == 2) {
      dtype = kTypes.at(message.number);
    } else if (message.field == 9) {
      raw = message.text;
    }
  }
  const Tensor tensor = Tensor::empty(shape, dtype);
  if (static_cast<int64_t>(raw.size()) != tensor.numel() * size_of(dtype)) {
    throw std::runtime_error("a tensor without its raw data");
  }
  std::memcpy(tensor.raw_data(), raw.data(), raw.size());
  return tensor;
}

struct OnnxCase {
  std::map<std::string, double> attributes;  // integers and floats
  std::vector<Tensor> inputs;                // undefined where the node leaves one out
  std::vector<Tensor> outputs;

  /// Input or output i; undefined if the node has fewer.
  static Tensor at(const std::vector<Tensor>& tensors, size_t i) {
    return i < tensors.size() ? tensors[i] : Tensor();
  }
  double attribute(const std::string& name, double otherwise) const {
    const auto found = attributes.find(name);
    return found == attributes.end() ? otherwise : found->second;
  }
};

inline OnnxCase read_onnx_case(const std::filesystem::path& folder) {
  OnnxCase onnx;
  const auto read = [&](std::vector<Tensor>& to, const char* kind, std::string_view name) {
    if (name.empty()) return to.emplace_back();  // left out: there is no file for it either
    size_t given = 0;
    for (const Tensor& tensor : to) given += tensor.defined() ? 1 : 0;
    return to.emplace_back(parse_onnx_tensor(
        read_file(folder / "test_data_set_0" / (kind + std::to_string(given) + ".pb"))));
  };
  const auto read_attribute = [&](std::string_view bytes) {
    std::string name;
    double value = 0;
    for (WireReader message(bytes); message.next();) {
      if (message.field == 1) name = message.text;
      if (message.field == 3) value = static_cast<double>(static_cast<int64_t>(message.number));
      if (message.field != 2) continue;
      float single = 0;
      std::memcpy(&single, message.text.data(), sizeof(single));
      value = static_cast<double>(single);
    }
    onnx.attributes[name] = value;
  };
  const std::string model = read_file(folder / "model.onnx");
  for (WireReader graph_at(model); graph_at.next();) {
    if (graph_at.field != 7) continue;
    for (WireReader graph(graph_at.text); graph.next();) {
      if (graph.field != 1) continue;
      for (WireReader node(graph.text); node.next();) {
        if (node.field == 1) read(onnx.inputs, "input_", node.text);
        if (node.field == 2) read(onnx.outputs, "output_", node.text);
        if (node.field == 5) read_attribute(node.text);
      }
    }
  }
  return onnx;
}

}  // namespace heed::testing
