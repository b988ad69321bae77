// config.json from anywhere: the JSON itself, with and without equal keys, and BERT's reading of
// it.

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "heed/base/error.h"
#include "heed/io/json.h"
#include "heed/models/bert.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace heed;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    parse_json(text, "fuzz", DuplicateKeys::refuse);
  } catch (const Error&) {
  }
  // BertConfig reads files: one in memory
  static const int file = memfd_create("config.json", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  if (file < 0 || ftruncate(file, 0) != 0 ||
      pwrite(file, data, size, 0) != static_cast<ssize_t>(size)) {
    return 0;
  }
  try {
    BertConfig::read(path);
  } catch (const Error&) {
  }
  return 0;
}
