#pragma once

#include <optional>
#include <string>
#include <utility>

#include "heed/base/error.h"
#include "heed/dist/group.h"
#include "heed/io/json.h"

namespace heed {

/// Thrown in all processes but the first when all have agreed to end: that one tells why.
class OtherProcessFailed : public Error {
 public:
  OtherProcessFailed() : Error(ErrorCode::cancelled, "another process failed, and tells why") {}
};

namespace internal {
/// To be called by all, with what went wrong here, if anything did: throws in all if it did in any.
/// Process 0 throws the Error of the lowest rank that has one.
void agree(Group& group, const std::optional<Error>& error);
}  // namespace internal

/// f() in all processes of a group, none of which goes on if it throws an Error in one of them. f
/// does not communicate.
template <class F>
auto together(Group& group, F&& f) {
  if (group.size() == 1) return f();
  std::optional<decltype(f())> result;
  std::optional<Error> error;
  try {
    result.emplace(f());
  } catch (const Error& thrown) {
    error = thrown;
  }
  internal::agree(group, error);
  return std::move(*result);
}

/// Error invalid_argument, in all, if processes have not the same here; `what` names it.
void check_same_everywhere(Group& group, const Json& value, const std::string& what);

}  // namespace heed
