#include "heed/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

#include "heed/base/error.h"
#include "heed/base/paths.h"

namespace heed {
namespace {

class Descriptor {
 public:
  explicit Descriptor(const std::filesystem::path& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) throw_system("cannot open", path, errno);
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

struct stat status_of(const Descriptor& file, const std::filesystem::path& path) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw_system("cannot read", path, errno);
  if (S_ISDIR(status.st_mode)) {
    throw Error(ErrorCode::invalid_argument,
                "cannot read " + path.string() + ": needed a file, found a folder");
  }
  return status;
}

/// False with errno where the system refuses.
bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : ".";
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const Descriptor file(path);
  const auto size = static_cast<size_t>(status_of(file, path).st_size);
  const std::byte* data = nullptr;
  if (size > 0) {
    void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (mapped == MAP_FAILED) throw_system("cannot map", path, errno);
    data = static_cast<const std::byte*>(mapped);
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, data, size));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::release(int64_t offset_bytes, int64_t size_bytes) const {
  const auto page = static_cast<int64_t>(::sysconf(_SC_PAGESIZE));
  const int64_t begin = (offset_bytes + page - 1) / page * page;
  const int64_t end = (offset_bytes + size_bytes) / page * page;
  if (end > begin) {
    ::madvise(const_cast<std::byte*>(data_) + begin, static_cast<size_t>(end - begin),
              MADV_DONTNEED);
  }
}

std::string read_file(const std::filesystem::path& path) {
  const Descriptor file(path);
  std::string content;
  content.reserve(static_cast<size_t>(status_of(file, path).st_size));
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(file.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_system("cannot read", path, errno);
    if (n == 0) return content;
    content.append(buffer, static_cast<size_t>(n));
  }
}

void sync_path(const std::filesystem::path& path) {
  const Descriptor file(path);
  if (::fsync(file.get()) != 0) throw_system("cannot sync", path, errno);
}

AtomicFile::AtomicFile(std::filesystem::path target) : target_(std::move(target)) {
  struct stat old {};
  const bool exists = ::stat(target_.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode)) {
    throw Error(ErrorCode::invalid_argument,
                "cannot write " + target_.string() + ": needed a file name, found a folder");
  }
  in_place_ = exists && !S_ISREG(old.st_mode);
  std::error_code error;
  if (in_place_) {
    const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
    if (error) throw_system("cannot write temporary files to TMPDIR for", target_, error.value());
    open_temporary(folder / "heed");
    return;
  }
  if (exists) target_ = std::filesystem::canonical(target_, error);
  if (error) throw_system("cannot write", target_, error.value());
  open_temporary(target_);
  if (exists) ::fchmod(descriptor_, old.st_mode & 07777);
}

void AtomicFile::open_temporary(const std::filesystem::path& stem) {
  static std::atomic<int> count{0};
  do {
    temporary_ =
        stem.string() + "." + std::to_string(::getpid()) + "-" + std::to_string(++count) + ".tmp";
    // O_EXCL: never through a link that somebody put there, nor over what a killed run has left
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ >= 0) return;
  const int reason = errno;
  const std::filesystem::path folder = target_.parent_path();
  std::error_code error;
  if (!folder.empty() && !std::filesystem::is_directory(folder, error)) {
    const bool there = std::filesystem::exists(folder, error);
    throw Error(ErrorCode::not_found,
                "cannot write " + target_.string() + ": needed the folder " + folder.string() +
                    (there ? ", which is a file" : ", which does not exist; make it first"));
  }
  errno = reason;
  fail("cannot write");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::fail(const char* doing) const { throw_system(doing, target_, errno); }

void AtomicFile::write(std::string_view bytes) {
  if (!write_all(descriptor_, bytes)) fail("cannot write");
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  write(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void AtomicFile::copy_into_target(int written) const {
  const int target = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC);
  if (target < 0) fail("cannot write");
  bool done = true;
  char buffer[1 << 16];
  while (done) {
    const ssize_t n = ::read(written, buffer, sizeof(buffer));
    if (n == 0) break;
    done = n > 0 && write_all(target, {buffer, static_cast<size_t>(n)});
  }
  const int error = errno;
  ::close(target);
  errno = error;
  if (!done) fail("cannot write");
}

void AtomicFile::commit() {
  HEED_ASSERT(descriptor_ >= 0);
  // A library may have replaced the file under temporary_path(): take what lies there now.
  const Descriptor written(temporary_);
  if (in_place_) {
    copy_into_target(written.get());
    ::unlink(temporary_.c_str());
  } else {
    if (::fsync(written.get()) != 0) fail("cannot sync");
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("cannot rename into");
  }
  ::close(std::exchange(descriptor_, -1));
  if (!in_place_) sync_path(folder_of(target_));
}

std::string_view target_of_temporary(std::string_view name) {
  constexpr std::string_view kEnding = ".tmp";
  if (!name.ends_with(kEnding)) return {};
  name.remove_suffix(kEnding.size());
  for (const char before : {'-', '.'}) {  // of the file's number, then of the process's
    const size_t at = name.find_last_not_of("0123456789");
    if (at == std::string_view::npos || at + 1 == name.size() || name[at] != before) return {};
    name = name.substr(0, at);
  }
  return name;
}

void remove_temporaries(const std::filesystem::path& folder,
                        const std::function<bool(std::string_view target)>& ours) {
  std::error_code ignored;
  for (const std::filesystem::directory_entry& entry : entries_of(folder)) {
    const std::string name = entry.path().filename().string();
    const std::string_view target = target_of_temporary(name);
    if (target.empty() || !ours(target) || !entry.is_regular_file(ignored)) continue;
    std::filesystem::remove(entry.path(), ignored);
  }
}

GrowingFile::GrowingFile(std::filesystem::path path, int64_t size) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw_system("cannot write", path_, errno);
  if (::ftruncate(descriptor_, size) == 0) return;
  const int error = errno;
  ::close(descriptor_);
  throw_system("cannot cut", path_, error);
}

GrowingFile::~GrowingFile() { ::close(descriptor_); }

void GrowingFile::append(std::string_view bytes) {
  if (!write_all(descriptor_, bytes)) throw_system("cannot write", path_, errno);
}

void GrowingFile::sync() {
  if (::fsync(descriptor_) != 0) throw_system("cannot sync", path_, errno);
}

void check_writable(const std::filesystem::path& target) { const AtomicFile probe(target); }

void write_file(const std::filesystem::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

}  // namespace heed
