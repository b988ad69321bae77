#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "heed/base/progress.h"

namespace heed::cli {

struct Context;

/// "45 s", "3:20 min", "1:05 h".
std::string duration_text(double seconds);

/// Draws a line over the one before it, on a terminal.
void draw_progress(const std::string& line);
/// Removes the bar from the terminal so that a line can be printed; the next update draws it again.
void clear_progress();

/// Shows how far long work is, on stderr: a bar with rate and time left on a terminal, a line now
/// and then elsewhere, nothing with --quiet or for work that is done at once. Lives while the work
/// runs; one at a time.
class ProgressBar {
 public:
  /// doing: "embedding"; unit: "texts".
  ProgressBar(const Context& context, std::string doing, std::string unit);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// done of total units (total 0: not known).
  void update(int64_t done, int64_t total);
  /// update() as the library's functions take it; valid as long as this object.
  Progress callback();

 private:
  using Clock = std::chrono::steady_clock;
  std::string line(int64_t done, int64_t total, double seconds) const;

  bool silent_;
  bool terminal_;
  std::string doing_;
  std::string unit_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point next_draw_;
};

}  // namespace heed::cli
