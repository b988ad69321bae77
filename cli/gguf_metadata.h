#pragma once

#include <cstdint>
#include <string>

#include "cli/json_out.h"
#include "heed/io/gguf.h"

namespace heed::cli {

/// 22713728 -> "22,713,728".
std::string grouped(int64_t number);

/// What a GGUF file says by key. A long list is {"list": "a list of string", "count": 49152}.
OutJson gguf_metadata_json(const Gguf& file);
/// The same, a line a key, values cut to what a line holds.
std::string gguf_metadata_text(const Gguf& file);

}  // namespace heed::cli
