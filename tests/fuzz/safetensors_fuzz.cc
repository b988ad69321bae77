// A safetensors file from anywhere: parsed, and every tensor read to its last byte.

#include <cstdint>
#include <cstring>
#include <functional>
#include <numeric>

#include "heed/base/error.h"
#include "heed/io/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace heed;
  auto content = Storage::allocate(static_cast<int64_t>(size));
  if (size > 0) std::memcpy(content->data(), data, size);
  try {
    const Checkpoint checkpoint = Checkpoint::parse(std::move(content), "fuzz");
    for (const auto& [name, entry] : checkpoint.entries()) {
      try {
        const Tensor tensor = checkpoint.load(name);
        const std::byte* bytes = tensor.raw_data();
        volatile int sum = std::transform_reduce(bytes, bytes + entry.bytes, 0, std::plus<>(),
                                                 [](std::byte b) { return static_cast<int>(b); });
        (void)sum;
      } catch (const Error&) {  // a dtype that cannot be held
      }
    }
  } catch (const Error&) {
  }
  return 0;
}
