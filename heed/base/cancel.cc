#include "heed/base/cancel.h"

#include <atomic>

#include "heed/base/error.h"

namespace heed {
namespace {
std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set from a signal handler");
}  // namespace

void request_cancel() { requested.store(true); }
bool cancel_requested() { return requested.load(); }
void clear_cancel() { requested.store(false); }
void check_cancelled() {
  if (cancel_requested()) throw Error(ErrorCode::cancelled, "interrupted");
}

}  // namespace heed
