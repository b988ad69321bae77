// Any bytes as tokenizer.json: either a tokenizer that encodes and decodes, or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "heed/base/error.h"
#include "heed/text/pipeline.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  try {
    const auto tokenizer = heed::tokenizer_from_json(json, "fuzz");
    const auto one = tokenizer->encode("A\u00e9 [CLS]x\u4f60 \xff.");
    const auto two = tokenizer->encode_pair("a b", json.substr(0, 200), {.max_tokens = 20});
    HEED_ASSERT(two.ids.size() <= 20);
    for (const int32_t id : one.ids) HEED_ASSERT(tokenizer->id_of(tokenizer->token_of(id)) == id);
    tokenizer->decode(one.ids);
    tokenizer->decode(two.ids, false);
  } catch (const heed::Error&) {
    // refused, which is an answer
  }
  return 0;
}
