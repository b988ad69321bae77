#pragma once

namespace heed::cli {

/// SIGINT, SIGTERM, SIGHUP and SIGUSR1 ask the work to stop (request_cancel()), so that temporary
/// files go; the second one kills. Those that were ignored stay so (nohup).
void install_stop_handlers();

/// The signal that asked for a stop, or 0.
int stop_signal();

/// Forgets a Ctrl-C: work may go on, and the next one asks again. Other signals stay.
void forget_interrupt();

}  // namespace heed::cli
