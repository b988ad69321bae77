// A low-rank adapter's adapter_config.json from anywhere, beside tensors and a base that are whole.

#include <string_view>

#include "heed/base/error.h"
#include "heed/io/adapter.h"
#include "heed/io/safetensors.h"
#include "heed/tensor/tensor.h"
#include "scratch_folder.h"

namespace {

constexpr const char* kProduct = "h.0.attn.c_attn";

/// A base of one product, and the tensors of an adapter of rank 2 for it.
void write_tensors(const std::filesystem::path& base, const std::filesystem::path& adapter) {
  using heed::Tensor;
  std::filesystem::create_directories(base);
  const std::string name = kProduct;
  heed::write_safetensors(base / "model.safetensors", {{name + ".weight", Tensor::zeros({4, 4})}},
                          {});
  heed::write_safetensors(adapter / heed::kAdapterWeights,
                          {{"base_model.model." + name + ".lora_A.weight", Tensor::zeros({2, 4})},
                           {"base_model.model." + name + ".lora_B.weight", Tensor::zeros({4, 2})}},
                          {});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace heed;
  static const ScratchFolder scratch;
  static const std::filesystem::path base = scratch.path() / "base";
  static const bool written = (write_tensors(base, scratch.path()), true);
  HEED_ASSERT(written);
  write_bytes(scratch.path() / kAdapterConfig,
              std::string_view(reinterpret_cast<const char*>(data), size));
  try {
    adapter_base(scratch.path());
  } catch (const Error&) {
  }
  try {
    const Checkpoint whole = Checkpoint::open(base);
    internal::Adapter adapter(scratch.path());
    const std::string before = adapter.fit(whole.entries());
    const std::string name = std::string(kProduct) + ".weight";
    const Tensor changed = adapter.applied(before + name, whole.load(name));
    HEED_ASSERT(changed.shape() == whole.load(name).shape());
  } catch (const Error&) {
  }
  return 0;
}
