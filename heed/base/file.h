#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace heed {

/// A file mapped read-only into memory; unmapped when the last copy of the pointer goes.
class MappedFile {
 public:
  /// Throws Error not_found / io_failure naming the path.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }
  /// Tells the system that [offset, offset + size) will not be read again soon.
  void release(int64_t offset_bytes, int64_t size_bytes) const;

 private:
  MappedFile(std::filesystem::path path, const std::byte* data, size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}
  std::filesystem::path path_;
  const std::byte* data_;
  size_t size_;
};

/// The whole of a regular file. Throws Error not_found / io_failure; invalid_argument for a folder.
std::string read_file(const std::filesystem::path& path);

/// Puts what the system still holds of a file's content, or of a folder's list of names, on the
/// disk. Error not_found / io_failure.
void sync_path(const std::filesystem::path& path);

/// Collects bytes in `PATH.<pid>-<n>.tmp` beside the target; commit() syncs it, renames it into
/// place and syncs the folder. Without commit() (an exception, say) the temporary file goes and the
/// target is as it was. A link's target is replaced, not the link; a replaced file keeps its
/// permissions. What is no regular file (/dev/stdout, a pipe) is written by commit() as it is.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::string_view bytes);
  void write(std::span<const std::byte> bytes);
  /// For libraries that write to a path themselves: they write here, then commit() takes it.
  const std::filesystem::path& temporary_path() const { return temporary_; }
  void commit();

 private:
  [[noreturn]] void fail(const char* doing) const;
  void open_temporary(const std::filesystem::path& stem);
  void copy_into_target(int written) const;
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  bool in_place_ = false;  // the target is a device or a pipe
};

/// Which file's temporary one has this name: "index.json" of "index.json.1234-1.tmp", which a
/// killed process may have left. Empty for what AtomicFile does not call so.
std::string_view target_of_temporary(std::string_view name);

/// Removes from a folder the temporary files of targets that are `ours`: what a process that was
/// killed has left half written. No other process may be writing these targets.
void remove_temporaries(const std::filesystem::path& folder,
                        const std::function<bool(std::string_view target)>& ours);

/// A file that only grows: a log. What a process has appended is there when it is killed.
class GrowingFile {
 public:
  /// Makes the file if it is not there and cuts it to its first `size` bytes.
  GrowingFile(std::filesystem::path path, int64_t size);
  ~GrowingFile();
  GrowingFile(const GrowingFile&) = delete;
  GrowingFile& operator=(const GrowingFile&) = delete;

  void append(std::string_view bytes);
  void sync();

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// Throws what AtomicFile would for this target: to ask before long work if its result can be kept.
void check_writable(const std::filesystem::path& target);

/// AtomicFile for a whole content at once.
void write_file(const std::filesystem::path& path, std::string_view content);

}  // namespace heed
