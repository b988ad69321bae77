#pragma once

#include "tests/support.h"

namespace heed::testing {

/// SmolLM2-135M-Instruct as a GGUF file in the hub's cache; empty if it is not there.
inline std::filesystem::path gguf_model() {
  try {
    return find_model("HuggingFaceTB/SmolLM2-135M-Instruct");
  } catch (const Error&) {
    return {};
  }
}

}  // namespace heed::testing

/// auto model = gguf_model(); HEED_NEED_GGUF(model);
#define HEED_NEED_GGUF(file)           \
  HEED_NEED(file, "HEED_REQUIRE_GGUF", \
            "SmolLM2-135M-Instruct; tools/fetch_model.py SmolLM2-135M-Instruct fetches it")
