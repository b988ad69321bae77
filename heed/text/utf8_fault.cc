#include "heed/text/utf8_fault.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/log.h"
#include "heed/text/unicode.h"

namespace heed {

int64_t line_of(std::string_view text, size_t at) {
  return 1 + std::ranges::count(text.substr(0, at), '\n');
}

std::string utf8_fault(std::string_view text, std::string_view where, int64_t line) {
  const size_t at = valid_utf8_bytes(text);
  if (at == text.size()) return "";
  const std::string place = line == 0 ? "" : fmt::format(":{}", line - 1 + line_of(text, at));
  return fmt::format("{}{}: text must be UTF-8, found the byte 0x{:02X}", where, place,
                     static_cast<unsigned char>(text[at]));
}

bool tell_utf8_fault(std::string_view text, std::string_view where, int64_t line) {
  const std::string fault = utf8_fault(text, where, line);
  if (fault.empty()) return false;
  log(LogLevel::warning, fault + "; U+FFFD is read for such bytes");
  return true;
}

}  // namespace heed
