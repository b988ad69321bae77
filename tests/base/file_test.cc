#include "heed/base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryFolder;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

/// Files can grow to `bytes` and no further, as on a full disk (EFBIG where that says ENOSPC).
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    struct rlimit small = before_;
    small.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

 private:
  void (*handler_)(int);
  struct rlimit before_ = {};
};

TEST(AtomicFile, TemporaryNamesTellTheTarget) {
  EXPECT_EQ(target_of_temporary("index.json.1234-1.tmp"), "index.json");
  EXPECT_EQ(target_of_temporary("a.1-2.3-4.tmp"), "a.1-2");
  for (const char* other : {"a.tmp", "a.1.tmp", "a.1-.tmp", "a.-1.tmp", "a.1-1", "a.1-1.tmp.gz",
                            "a-1.1.tmp", "1-1.tmp", "", ".tmp"}) {
    EXPECT_EQ(target_of_temporary(other), "") << other;
  }
}

TEST(AtomicFile, TemporariesOfOwnTargetsAreRemoved) {
  const TemporaryFolder folder;
  for (const char* name : {"a.txt", "a.txt.12-1.tmp", "a.txt.tmp", "b.txt.12-1.tmp"}) {
    write_file(folder / name, "content");
  }
  fs::create_directory(folder / "a.txt.13-1.tmp");
  remove_temporaries(folder.path(), [](std::string_view target) { return target == "a.txt"; });
  for (const char* stays : {"a.txt", "a.txt.tmp", "b.txt.12-1.tmp", "a.txt.13-1.tmp"}) {
    EXPECT_TRUE(fs::exists(folder / stays)) << stays;
  }
  EXPECT_FALSE(fs::exists(folder / "a.txt.12-1.tmp"));
}

TEST(AtomicFile, ReplacesOnCommitOnly) {
  const TemporaryFolder folder;
  const fs::path path = folder / "a.txt";
  write_file(path, "old");
  {
    AtomicFile file(path);
    file.write("new");
    EXPECT_EQ(read_file(path), "old");
  }
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"a.txt"});
  {
    AtomicFile file(path);
    file.write("new");
    file.write(" content");
    file.commit();
  }
  EXPECT_EQ(read_file(path), "new content");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"a.txt"});
}

TEST(AtomicFile, ALibraryMayWriteToTheTemporaryPath) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a.png");
  fs::remove(file.temporary_path());  // as libraries do that write and rename by themselves
  write_file(file.temporary_path(), "picture");
  file.commit();
  EXPECT_EQ(read_file(folder / "a.png"), "picture");
}

TEST(AtomicFile, AFullDiskLeavesTheOldFileAndNothingElse) {
  const TemporaryFolder folder;
  const fs::path path = folder / "a.txt";
  write_file(path, "old");
  const SmallDisk disk(1000);
  expect_error(ErrorCode::io_failure, {"cannot write", "a.txt"},
               [&] { write_file(path, std::string(100'000, 'x')); });
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"a.txt"});
}

TEST(AtomicFile, PlacesThatCannotBeWritten) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::not_found,
               {"cannot write", "needed the folder", "none, which does not exist"},
               [&] { write_file(folder / "none/a.txt", "x"); });
  expect_error(ErrorCode::not_found, {"needed the folder /dev/null, which is a file"},
               [&] { write_file("/dev/null/a.txt", "x"); });
  expect_error(ErrorCode::invalid_argument, {"needed a file name, found a folder"},
               [&] { write_file(folder.path(), "x"); });
  if (::geteuid() != 0) {  // root may write everywhere
    fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
    expect_error(ErrorCode::io_failure, {"cannot write", "Permission denied"},
                 [&] { write_file(folder / "a.txt", "x"); });
    fs::permissions(folder.path(), fs::perms::owner_all);
  }
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(AtomicFile, PlacesAreAskedAboutBeforeAnythingIsWritten) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::not_found, {"needed the folder", "which does not exist"},
               [&] { check_writable(folder / "none/a.txt"); });
  expect_error(ErrorCode::invalid_argument, {"needed a file name, found a folder"},
               [&] { check_writable(folder.path()); });
  write_file(folder / "a.txt", "old");
  check_writable(folder / "a.txt");
  check_writable(folder / "b.txt");
  EXPECT_EQ(read_file(folder / "a.txt"), "old");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"a.txt"});
}

TEST(AtomicFile, KeepsModeAndFollowsALinkToItsTarget) {
  const TemporaryFolder folder;
  write_file(folder / "real.txt", "old");
  fs::permissions(folder / "real.txt", fs::perms(0640));
  fs::create_symlink("real.txt", folder / "link.txt");
  write_file(folder / "link.txt", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link.txt"));
  EXPECT_EQ(read_file(folder / "real.txt"), "new");
  EXPECT_EQ(fs::status(folder / "real.txt").permissions(), fs::perms(0640));
}

TEST(AtomicFile, ADeviceIsWrittenInPlace) {
  write_file("/dev/null", "x");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_FALSE(fs::exists("/dev/full." + std::to_string(::getpid()) + ".tmp"));
  if (fs::exists("/dev/full")) {
    expect_error(ErrorCode::io_failure, {"cannot write /dev/full", "No space left"},
                 [] { write_file("/dev/full", "x"); });
  }
}

TEST(MappedFile, MapsReleasesAndReadsAgain) {
  const TemporaryFolder folder;
  std::string content(100'000, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i % 251);
  write_file(folder / "a.bin", content);
  const auto mapped = MappedFile::open(folder / "a.bin");
  const auto text = [&] {
    return std::string_view(reinterpret_cast<const char*>(mapped->bytes().data()),
                            mapped->bytes().size());
  };
  EXPECT_EQ(text(), content);
  mapped->release(10, 99'000);
  mapped->release(0, 0);
  EXPECT_EQ(text(), content);
  write_file(folder / "empty", "");
  EXPECT_TRUE(MappedFile::open(folder / "empty")->bytes().empty());
}

TEST(MappedFile, WhatCannotBeRead) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::not_found, {"cannot open", "none"},
               [&] { MappedFile::open(folder / "none"); });
  expect_error(ErrorCode::invalid_argument, {"needed a file, found a folder"},
               [&] { MappedFile::open(folder.path()); });
  expect_error(ErrorCode::not_found, {"none"}, [&] { read_file(folder / "none"); });
  expect_error(ErrorCode::invalid_argument, {"found a folder"}, [&] { read_file(folder.path()); });
}

TEST(GrowingFile, KeepsWhatItWasCutToAndAddsToIt) {
  const TemporaryFolder folder;
  GrowingFile(folder / "log", 0).append("one two");
  EXPECT_EQ(read_file(folder / "log"), "one two");
  GrowingFile log(folder / "log", 4);
  log.append("three");
  log.sync();
  EXPECT_EQ(read_file(folder / "log"), "one three");
  expect_error(ErrorCode::not_found, {"cannot write", "none"},
               [&] { GrowingFile(folder / "none" / "log", 0); });
  expect_error(ErrorCode::not_found, {"none"}, [&] { sync_path(folder / "none"); });
}

}  // namespace
}  // namespace heed
