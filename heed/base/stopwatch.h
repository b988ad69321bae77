#pragma once

#include <chrono>
#include <ratio>

namespace heed {

/// The time on the wall since it was made.
class Stopwatch {
 public:
  double milliseconds() const { return since<std::milli>(); }
  double seconds() const { return since<std::ratio<1>>(); }

 private:
  using Clock = std::chrono::steady_clock;

  template <class Unit>
  double since() const {
    return std::chrono::duration<double, Unit>(Clock::now() - start_).count();
  }

  Clock::time_point start_ = Clock::now();
};

}  // namespace heed
