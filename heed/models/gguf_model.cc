#include "heed/models/gguf_model.h"

#include <map>

#include "heed/io/gguf_format.h"
#include "heed/models/gguf_names.h"

namespace heed {
namespace {

class GgufSource : public Params::Source {
 public:
  GgufSource(Gguf file, const GgufArchitecture& architecture)
      : file_(std::move(file)), architecture_(architecture) {
    for (const auto& [name, tensor] : file_.tensors()) {
      if (auto known = hugging_face_name(architecture_, name)) {
        stored_.emplace(std::move(*known), name);
      }
    }
  }

  Tensor find(const std::string& name) const override {
    const auto stored = stored_.find(name);
    if (stored == stored_.end() || !has_numbers(entry(stored->second))) return {};
    const Tensor tensor = file_.load(stored->second);
    return is_input_major(architecture_, stored->second) ? tensor.transpose(0, 1) : tensor;
  }

  std::optional<BlockMatrix> blocks(const std::string& name) const override {
    const auto stored = stored_.find(name);
    if (stored == stored_.end()) return std::nullopt;
    const Gguf::Entry& tensor = entry(stored->second);
    const bool small = tensor.kind == BlockKind::f16 || tensor.kind == BlockKind::bf16;
    if (has_numbers(tensor) && !(small && tensor.shape.rank() == 2)) return std::nullopt;
    return file_.matrix(stored->second);
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& [name, stored] : stored_) names.push_back(name);
    return names;
  }
  std::string describe() const override { return file_.where(); }
  void release(const std::string& name) const override {
    const auto stored = stored_.find(name);
    if (stored != stored_.end()) file_.release(stored->second);
  }

 private:
  const Gguf::Entry& entry(const std::string& stored) const {
    return file_.tensors().find(stored)->second;
  }
  /// Not blocks of quantised ones.
  static bool has_numbers(const Gguf::Entry& tensor) {
    return internal::gguf_type(tensor.type)->dtype.has_value();
  }

  Gguf file_;
  const GgufArchitecture& architecture_;
  std::map<std::string, std::string> stored_;  // Hugging Face's names to the file's
};

}  // namespace

Params gguf_params(const Gguf& file) {
  const std::string name(file.text("general.architecture").value_or(""));
  return Params(std::make_shared<GgufSource>(file, gguf_architecture(name, file.where())));
}

}  // namespace heed
