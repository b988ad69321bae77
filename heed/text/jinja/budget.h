#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace heed::jinja {

/// A fault of a template, or of what it was given, found while it renders. Who catches it adds the
/// line.
class Fault : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The template needs more than it may use.
class BudgetFault : public Fault {
  using Fault::Fault;
};

/// What a rendering may use: templates come from strangers. Every operation takes from it, so that
/// time and memory are bounded whatever the template says.
class Budget {
 public:
  Budget(int64_t steps, int64_t bytes) : steps_(steps), bytes_(bytes) {}

  /// `count` small operations. Fault when there are none left.
  void step(size_t count = 1) {
    steps_ -= static_cast<int64_t>(count);
    if (steps_ < 0) throw BudgetFault("the template takes too many steps");
  }
  /// Before making a text or a list of that size, in all its copies.
  void make(size_t bytes) {
    if (bytes > static_cast<size_t>(bytes_)) throw BudgetFault("the template makes too much text");
    bytes_ -= static_cast<int64_t>(bytes);
  }

 private:
  int64_t steps_;
  int64_t bytes_;  // >= 0
};

}  // namespace heed::jinja
