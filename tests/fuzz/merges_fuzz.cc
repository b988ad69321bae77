// Any bytes as vocab.json, merges.txt, tokenizer_config.json and added_tokens.json, which zero
// bytes part: either a tokenizer that encodes and decodes, or an Error.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "heed/base/error.h"
#include "heed/text/pipeline.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t first = all.find('\0');
  const size_t second = first == std::string_view::npos ? first : all.find('\0', first + 1);
  if (second == std::string_view::npos) return 0;
  const size_t third = std::min(all.find('\0', second + 1), size);
  try {
    const auto tokenizer = heed::tokenizer_from_merges(
        {.vocab = std::string(all.substr(0, first)),
         .merges = std::string(all.substr(first + 1, second - first - 1)),
         .settings = {.config = std::string(all.substr(second + 1, third - second - 1)),
                      .added_tokens = std::string(all.substr(std::min(third + 1, size)))}},
        "fuzz");
    const auto encoding = tokenizer->encode("abc a<|endoftext|>\u00e9 \xff");
    for (const int32_t id : encoding.ids) {
      HEED_ASSERT(tokenizer->id_of(tokenizer->token_of(id)) == id);
    }
    tokenizer->decode(encoding.ids);
  } catch (const heed::Error&) {
    // refused, which is an answer
  }
  return 0;
}
