// config.json from anywhere: the JSON itself, with and without equal keys, and what each
// architecture reads of it.

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "heed/base/error.h"
#include "heed/io/json.h"
#include "heed/models/bert.h"
#include "heed/models/gpt2.h"
#include "heed/models/recurrent.h"
#include "heed/models/transformer.h"

namespace {

template <class Config>
void try_config(const std::string& path) {
  try {
    Config::read(path);
  } catch (const heed::Error&) {
  }
}

}  // namespace

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
  try_config<BertConfig>(path);
  try_config<Gpt2Config>(path);
  try_config<TransformerConfig>(path);
  try_config<RecurrentConfig>(path);
  return 0;
}
