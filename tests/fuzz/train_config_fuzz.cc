// Training settings from anywhere: what is read is written so that it reads back equal.

#include <cstdlib>
#include <string>
#include <string_view>

#include "heed/base/error.h"
#include "heed/train/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace heed;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  TrainConfig config;
  try {
    parse_train_config(config, text, "fuzz");
  } catch (const Error&) {
    return 0;
  }
  const std::string yaml = to_yaml(config);
  TrainConfig again;
  parse_train_config(again, yaml, "written");
  if (to_yaml(again) != yaml || again.given != config.given) std::abort();
  return 0;
}
