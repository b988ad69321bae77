#include "heed/base/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "heed/base/error.h"

namespace heed {

FolderLock::FolderLock(const std::filesystem::path& folder, std::string_view who)
    : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  const std::string where = std::string(who) + ": ";
  if (descriptor_ < 0) {
    throw Error(ErrorCode::io_failure,
                where + "cannot open the folder " + folder.string() + ": " + std::strerror(errno));
  }
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int reason = errno;
  ::close(descriptor_);
  if (reason != EWOULDBLOCK) {  // a file system without locks, say
    throw Error(ErrorCode::io_failure,
                where + "cannot lock the folder " + folder.string() + ": " + std::strerror(reason));
  }
  throw Error(ErrorCode::invalid_argument, where + "another process writes to " + folder.string() +
                                               "; wait for it to end, or take another folder");
}

FolderLock::~FolderLock() { ::close(descriptor_); }

}  // namespace heed
