// generation_config.json from anywhere, and histories of chats.

#include <string>
#include <string_view>

#include "heed/base/error.h"
#include "heed/generate/chat.h"
#include "heed/generate/generation_config.h"
#include "heed/io/json.h"
#include "heed/models/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace heed;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const GenerateOptions options =
        read_generation_config(ConfigReader(parse_json(text, "fuzz"), "fuzz"));
    check_rules(options.rules);  // what is read is in its range
    check_sampling(options.sampling);
  } catch (const Error& error) {
    HEED_ASSERT(error.code() == ErrorCode::corrupt_data);
  }
  try {
    parse_messages(text, "fuzz");
  } catch (const Error&) {
  }
  return 0;
}
