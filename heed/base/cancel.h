#pragma once

namespace heed {

/// Asks running work to stop at its next check; safe in a signal handler.
void request_cancel();
/// Whether a stop was asked for.
bool cancel_requested();
/// Forgets the request (a chat that goes on after Ctrl-C).
void clear_cancel();
/// Throws Error cancelled if a stop was asked for. Long loops call it once an item.
void check_cancelled();

}  // namespace heed
