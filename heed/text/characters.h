#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace heed {

/// Characters (code points) of a UTF-8 text.
inline int64_t count_characters(std::string_view utf8) {
  return std::ranges::count_if(
      utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

}  // namespace heed
