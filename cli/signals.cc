#include "cli/signals.h"

#include <csignal>
#include <initializer_list>

#include "heed/base/cancel.h"

namespace heed::cli {
namespace {

volatile std::sig_atomic_t last_signal = 0;

extern "C" void on_stop_signal(int signal) {
  last_signal = signal;
  request_cancel();
}

void install(int signal) {
  struct sigaction stop = {};
  stop.sa_handler = on_stop_signal;
  stop.sa_flags = static_cast<int>(SA_RESETHAND);  // no SA_RESTART: a read of a pipe ends too
  struct sigaction inherited = {};
  sigaction(signal, nullptr, &inherited);
  if (inherited.sa_handler != SIG_IGN) sigaction(signal, &stop, nullptr);
}

}  // namespace

void install_stop_handlers() {
  // SIGUSR1 is what mpirun hands on without killing, and what Slurm sends before a job's time is up
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) install(signal);
}

int stop_signal() { return last_signal; }

void forget_interrupt() {
  if (last_signal != SIGINT) return;
  last_signal = 0;
  clear_cancel();
  install(SIGINT);
}

}  // namespace heed::cli
