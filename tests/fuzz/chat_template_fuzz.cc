// Any bytes as a chat template (and as a message): a text within the bounds, or an Error.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "heed/base/error.h"
#include "heed/text/chat_template.h"
#include "heed/text/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string source(reinterpret_cast<const char*>(data), size);
  const std::vector<heed::ChatMessage> messages = {
      {"system", "Be brief."},
      {"user", source.substr(0, 200)},
      {"assistant", "", R"({"tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]})"}};
  const heed::ChatOptions options{.add_generation_prompt = true,
                                  .tools = R"([{"name": "f", "parameters": {"a": [1.5, null]}}])",
                                  .now = 0,
                                  .max_steps = 20'000,
                                  .max_bytes = 1 << 20};
  try {
    const std::string text = heed::ChatTemplate(source).render(messages, options);
    HEED_ASSERT(text.size() <= 1 << 20);
    HEED_ASSERT(heed::is_valid_utf8(text));
  } catch (const heed::Error&) {
    // refused, which is an answer
  }
  return 0;
}
