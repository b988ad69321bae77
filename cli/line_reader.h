#pragma once

#include <string>

namespace heed::cli {

/// Lines of standard input as they come, without their ends.
class LineReader {
 public:
  enum class Ended { line, input, interrupt };
  /// The next line; `interrupt` where a signal asked for a stop while none was there, `input` at
  /// the end of input. What stands before the end without a line end is a line. Error io_failure.
  Ended next(std::string& line);
  /// Whether something can be read without waiting for whoever writes it.
  bool ready() const;

 private:
  std::string pending_;
  size_t begin_ = 0;     // what stands before was given
  size_t searched_ = 0;  // no line ends between begin_ and here
  bool at_end_ = false;
};

}  // namespace heed::cli
