#include "heed/base/paths.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "heed/base/file.h"
#include "tests/expect_error.h"
#include "tests/support.h"
#include "tests/unprivileged.h"

namespace heed {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryFolder;
using testing::Unprivileged;

const std::string kTooLong(5000, 'a');

TEST(Paths, EndingsAreInSmallLetters) {
  EXPECT_EQ(ending_of("/a/Table.CSV"), ".csv");
  EXPECT_EQ(ending_of("a.tar.Gz"), ".gz");
  EXPECT_EQ(ending_of("a"), "");
}

TEST(Paths, WhatIsThere) {
  const TemporaryFolder folder;
  write_file(folder / "a", "");
  fs::create_symlink("nowhere", folder / "link");
  EXPECT_TRUE(is_there(folder / "a"));
  EXPECT_FALSE(is_folder(folder / "a"));
  EXPECT_TRUE(is_folder(folder.path()));
  EXPECT_FALSE(is_there(folder / "b"));
  EXPECT_FALSE(is_there(folder / "a" / "b"));
  EXPECT_FALSE(is_there(folder / "link"));
  EXPECT_FALSE(is_there(""));
}

TEST(Paths, WhatTheSystemRefusesIsAnError) {
  const TemporaryFolder folder;
  write_file(folder / "a", "");
  fs::create_symlink("loop", folder / "loop");
  const auto refused = [](const auto& body) {
    expect_error(ErrorCode::io_failure, {"File name too long"}, [&] { body(fs::path(kTooLong)); });
  };
  refused([](const fs::path& path) { is_there(path); });
  refused([](const fs::path& path) { is_folder(path); });
  refused([](const fs::path& path) { make_folder(path); });
  refused([](const fs::path& path) { entries_of(path); });
  expect_error(ErrorCode::io_failure, {(folder / "loop").string()},
               [&] { is_there(folder / "loop"); });
  expect_error(ErrorCode::not_found, {"nowhere"}, [&] { entries_of(folder / "nowhere"); });
  expect_error(ErrorCode::not_found, {"cannot make the folder"},
               [&] { make_folder(folder / "a" / "b"); });
}

TEST(Paths, AFileIsRemovedOrTheFolderRefuses) {
  const TemporaryFolder folder;
  write_file(folder / "a", "");
  fs::permissions(folder.path(), fs::perms(0555));
  {
    const Unprivileged nobody;
    expect_error(ErrorCode::io_failure, {"cannot remove", "Permission denied"},
                 [&] { remove_file(folder / "a"); });
  }
  fs::permissions(folder.path(), fs::perms(0755));
  remove_file(folder / "a");
  EXPECT_FALSE(is_there(folder / "a"));
  remove_file(folder / "a");  // there is none any more
}

TEST(Paths, FilesBelowAFolder) {
  const TemporaryFolder folder;
  for (const char* name : {"shut", "b/c", ".hidden"}) make_folder(folder / name);
  for (const char* name : {"a", "b/c/d", ".hidden/e", ".f", "shut/g"})
    write_file(folder / name, "");
  fs::create_directory_symlink("b", folder / "again");
  fs::create_symlink("a", folder / "link");
  fs::create_symlink("loop", folder / "loop");
  fs::create_symlink("nowhere", folder / "dangling");
  fs::permissions(folder.path(), fs::perms(0755));
  fs::permissions(folder / "shut", fs::perms::none);
  std::vector<std::string> files, unread;
  {
    const Unprivileged nobody;
    for (const fs::path& file :
         files_below(folder.path(), [&](const fs::path&path, const Error&error) {
           EXPECT_EQ(to_string(error.code()), "io_failure") << error.what();
           unread.push_back(path.filename().string());
         })) {
      files.push_back(file.lexically_relative(folder.path()).string());
    }
  }
  fs::permissions(folder / "shut", fs::perms::owner_all);
  std::ranges::sort(files);
  EXPECT_EQ(files, (std::vector<std::string>{"a", "b/c/d", "link", "loop"}));
  EXPECT_EQ(unread, std::vector<std::string>{"shut"});
}

}  // namespace
}  // namespace heed
