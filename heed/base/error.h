#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace heed {

/// What kind of fault outside data or a caller made; edges map it once (CLI exit status, HTTP
/// status, Python exception).
enum class ErrorCode {
  invalid_argument,  // a shape, flag or request that cannot be served
  not_found,         // a file, model or name that is not there
  corrupt_data,      // bytes that break their format
  unsupported,       // well-formed, but not something Heed does
  out_of_memory,
  cancelled,
  io_failure,  // the system refused: full disk, no permission, closed pipe
};

/// "invalid_argument" and so on, the enumerator's own name.
std::string_view to_string(ErrorCode code);

/// The one exception the library throws for faults that are not its own. The message reads
/// "operation: needed, found, the fact that decided, the next step if known".
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

/// Reports a broken invariant of Heed itself on stderr and aborts: never reached by outside data.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace heed

#define HEED_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::heed::assertion_failed(#condition, __FILE__, __LINE__))
