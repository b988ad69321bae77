#include "cli/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <utility>

#include "cli/command.h"
#include "cli/terminal.h"

namespace heed::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kFirstDraw = 500ms;  // shorter work shows nothing
constexpr auto kTerminalPause = 100ms;
constexpr auto kLinePause = 15s;  // logs stay short
constexpr int kBarWidth = 30;

std::atomic<bool> on_screen{false};

std::string bar(double share) {
  const auto full = static_cast<size_t>(std::clamp(share, 0.0, 1.0) * kBarWidth);
  return "[" + std::string(full, '#') + std::string(kBarWidth - full, '.') + "]";
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
}

void draw_progress(const std::string& line) {
  std::fprintf(stderr, "\r%s\033[K", line.c_str());
  std::fflush(stderr);
  on_screen = true;
}

void clear_progress() {
  if (on_screen.exchange(false)) std::fputs("\r\033[K", stderr);
}

ProgressBar::ProgressBar(const Context& context, std::string doing, std::string unit)
    : silent_(context.quiet),
      terminal_(is_terminal(stderr)),
      doing_(std::move(doing)),
      unit_(std::move(unit)),
      next_draw_(start_ + (terminal_ ? kFirstDraw : kLinePause)) {}

ProgressBar::~ProgressBar() { clear_progress(); }

Progress ProgressBar::callback() {
  return [this](int64_t done, int64_t total) { update(done, total); };
}

void ProgressBar::update(int64_t done, int64_t total) {
  const Clock::time_point now = Clock::now();
  if (silent_ || now < next_draw_) return;
  next_draw_ = now + (terminal_ ? kTerminalPause : kLinePause);
  const std::string text = line(done, total, std::chrono::duration<double>(now - start_).count());
  if (terminal_) {
    draw_progress(text);
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
}

std::string ProgressBar::line(int64_t done, int64_t total, double seconds) const {
  const double rate = static_cast<double>(done) / std::max(seconds, 1e-9);
  if (total <= 0) return fmt::format("{} {} {}, {:.3g} {}/s", doing_, done, unit_, rate, unit_);
  const double share = static_cast<double>(done) / static_cast<double>(total);
  const double left = static_cast<double>(total - done) / std::max(rate, 1e-9);
  return fmt::format("{} {}{}/{} {}, {:.3g} {}/s, {} left", doing_,
                     terminal_ ? bar(share) + " " : "", done, total, unit_, rate, unit_,
                     done > 0 ? duration_text(left) : "?");
}

}  // namespace heed::cli
