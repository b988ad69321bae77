#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace heed {

// Bytes of texts that are no UTF-8. What learns from texts refuses them; what reads texts puts
// U+FFFD in their place and tells. Internal: not installed.

/// The line of a text, from 1, that byte `at` stands in.
int64_t line_of(std::string_view text, size_t at);

/// "notes.txt:3: text must be UTF-8, found the byte 0xE9": the first such byte of what begins in
/// that line of a file; empty where all is UTF-8. Line 0: `where` says it alone.
std::string utf8_fault(std::string_view text, std::string_view where, int64_t line = 1);

/// Whether there is one, of which the log is told.
bool tell_utf8_fault(std::string_view text, std::string_view where, int64_t line = 1);

}  // namespace heed
