#include "heed/train/bad_rows.h"

#include <fmt/format.h>

#include "heed/base/error.h"

namespace heed {

void BadRows::report(const std::string& where, int64_t line, const std::string& what) {
  const std::string message = fmt::format("{}:{}: {}", where, line, what);
  if (!skip_) {
    throw Error(ErrorCode::corrupt_data, message + "; --skip-bad leaves such rows out");
  }
  if (count_ == 0) first_ = message;
  ++count_;
}

}  // namespace heed
