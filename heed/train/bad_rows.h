#pragma once

#include <cstdint>
#include <string>

namespace heed {

/// What readers of training data do with a row that cannot be used: refuse it, or leave it out and
/// count it (--skip-bad).
class BadRows {
 public:
  BadRows() = default;
  explicit BadRows(bool skip) : skip_(skip) {}

  /// Error corrupt_data "FILE:LINE: what", unless rows are skipped.
  void report(const std::string& where, int64_t line, const std::string& what);
  int64_t count() const { return count_; }
  /// The first row left out, as the Error would have named it; empty if there is none.
  const std::string& first() const { return first_; }

 private:
  bool skip_ = false;
  int64_t count_ = 0;
  std::string first_;
};

}  // namespace heed
