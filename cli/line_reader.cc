#include "cli/line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "heed/base/cancel.h"
#include "heed/base/error.h"

namespace heed::cli {

LineReader::Ended LineReader::next(std::string& line) {
  while (true) {
    const size_t end = pending_.find('\n', searched_);
    if (end != std::string::npos || (at_end_ && begin_ < pending_.size())) {
      line = pending_.substr(begin_, end - begin_);
      begin_ = searched_ = std::min(end, pending_.size() - 1) + 1;
      if (!line.empty() && line.back() == '\r') line.pop_back();
      return Ended::line;
    }
    if (at_end_) return Ended::input;
    if (cancel_requested()) return Ended::interrupt;
    pending_.erase(0, std::exchange(begin_, 0));
    searched_ = pending_.size();
    std::array<char, 1 << 16> buffer;
    const ssize_t size = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (size > 0) {
      pending_.append(buffer.data(), static_cast<size_t>(size));
    } else if (size == 0) {
      at_end_ = true;
    } else if (errno != EINTR) {
      throw Error(ErrorCode::io_failure,
                  std::string("standard input: cannot read: ") + std::strerror(errno));
    }
  }
}

bool LineReader::ready() const {
  if (at_end_ || pending_.find('\n', searched_) != std::string::npos) return true;
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  return ::poll(&input, 1, 0) > 0;
}

}  // namespace heed::cli
