#pragma once

#include <filesystem>
#include <string_view>

namespace heed {

/// A folder that one process at a time writes to. The system lets go of the lock when the process
/// ends, however it does.
class FolderLock {
 public:
  /// `who` begins the messages: "checkpoint". Error invalid_argument while another process has it;
  /// io_failure for a folder that cannot be opened.
  FolderLock(const std::filesystem::path& folder, std::string_view who);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace heed
