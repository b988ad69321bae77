// .npy and .npz files from anywhere.

#include <cstdint>
#include <string_view>

#include "heed/base/error.h"
#include "heed/io/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace heed;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    if (bytes.starts_with("PK")) {
      parse_npz(bytes, "fuzz");
    } else {
      parse_npy(bytes, "fuzz");
    }
  } catch (const Error&) {
  }
  return 0;
}
