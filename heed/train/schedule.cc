#include "heed/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "heed/base/error.h"

namespace heed {
namespace {

void need(bool holds, const std::string& message) {
  if (!holds) throw Error(ErrorCode::invalid_argument, "schedule: " + message);
}

void check(const ScheduleOptions& options, int64_t step) {
  const auto count = [](int64_t n) { return std::to_string(n); };
  need(step >= 0, "needed a step from 0 on, found " + count(step));
  need(options.warmup_steps >= 0,
       "needed a number of warm-up steps from 0 on, found " + count(options.warmup_steps));
  if (options.kind == ScheduleKind::noam) {
    need(options.width > 0, "noam needs the model's width, found " + count(options.width));
    need(options.warmup_steps > 0, "noam needs at least 1 warm-up step, found 0");
  }
  if (options.kind == ScheduleKind::linear || options.kind == ScheduleKind::cosine) {
    need(options.total_steps > 0,
         "linear and cosine need the number of steps, found " + count(options.total_steps));
    need(options.warmup_steps <= options.total_steps,
         "the warm-up must end within the " + count(options.total_steps) + " steps, found " +
             count(options.warmup_steps));
  }
}

double linear(double step, double warmup, double total) {
  if (step < warmup) return step / warmup;
  return std::max(0.0, (total - step) / std::max(1.0, total - warmup));
}

double cosine(double step, double warmup, double total, double peak, double floor) {
  if (step < warmup) return peak * (step + 1) / (warmup + 1);
  if (step >= total) return floor;
  const double part = (step - warmup) / (total - warmup);
  return floor + (1 + std::cos(std::numbers::pi * part)) / 2 * (peak - floor);
}

double noam(double step, double warmup, double width) {
  return std::min(1 / std::sqrt(step), step * std::pow(warmup, -1.5)) / std::sqrt(width);
}

}  // namespace

double learning_rate(const ScheduleOptions& options, int64_t step) {
  check(options, step);
  const auto done = static_cast<double>(step);
  const auto warmup = static_cast<double>(options.warmup_steps);
  const auto total = static_cast<double>(options.total_steps);
  switch (options.kind) {
    case ScheduleKind::constant:
      return options.peak * (done < warmup ? done / warmup : 1);
    case ScheduleKind::linear:
      return options.peak * linear(done, warmup, total);
    case ScheduleKind::cosine:
      return cosine(done, warmup, total, options.peak, options.floor);
    case ScheduleKind::noam:
      return options.peak * noam(done + 1, warmup, static_cast<double>(options.width));
  }
  return 0;
}

}  // namespace heed
