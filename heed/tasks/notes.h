#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace heed {

/// What several calls for one run tell the log together. Not for several threads at once.
class RunNotes {
 public:
  /// Texts that were read, and how many of them were cut to max_tokens.
  void count(int64_t texts, int64_t cut, int64_t max_tokens);
  /// Tells this at once, unless it was told before.
  void tell_once(const std::string& note);
  /// Tells, as the operation's, how many texts were cut, if any were.
  void finish(std::string_view operation) const;

 private:
  int64_t texts_ = 0;
  int64_t cut_ = 0;
  int64_t max_tokens_ = 0;
  std::set<std::string> told_;
};

}  // namespace heed
