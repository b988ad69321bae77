#include "heed/base/paths.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace heed {
namespace {

namespace fs = std::filesystem;

bool is_absence(int error) { return error == ENOENT || error == ENOTDIR; }

fs::file_status status_of(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::none) throw_system("cannot look at", path, error.value());
  return status;
}

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with("."); }

/// A regular file, or what may be one.
bool may_be_file(const fs::directory_entry& entry) {
  std::error_code error;
  return entry.is_regular_file(error) || (error && !is_absence(error.value()));
}

}  // namespace

void throw_system(const char* doing, const fs::path& path, int error) {
  throw Error(is_absence(error) ? ErrorCode::not_found : ErrorCode::io_failure,
              std::string(doing) + " " + path.string() + ": " + std::strerror(error));
}

std::string ending_of(const fs::path& path) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return ending;
}

bool is_there(const fs::path& path) { return fs::exists(status_of(path)); }

bool is_folder(const fs::path& path) { return fs::is_directory(status_of(path)); }

fs::path absolute_path(const fs::path& path) {
  std::error_code error;
  fs::path whole = fs::absolute(path, error);
  if (error) throw_system("cannot find the current folder, to look there for", path, error.value());
  return whole;
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw_system("cannot make the folder", folder, error.value());
}

void remove_file(const fs::path& file) {
  std::error_code error;
  fs::remove(file, error);
  if (error) throw_system("cannot remove", file, error.value());
}

std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
  std::vector<fs::directory_entry> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    entries.push_back(*at);
  }
  if (error) throw_system("cannot list", folder, error.value());
  return entries;
}

std::vector<fs::path> files_below(
    const fs::path& folder,
    const std::function<void(const fs::path& folder, const Error&)>& unread) {
  std::vector<fs::path> files, folders{folder};
  while (!folders.empty()) {
    const fs::path next = std::move(folders.back());
    folders.pop_back();
    std::vector<fs::directory_entry> entries;
    try {
      entries = entries_of(next);
    } catch (const Error& error) {
      unread(next, error);
    }
    for (const fs::directory_entry& entry : entries) {
      std::error_code ignored;
      if (is_hidden(entry.path())) continue;
      if (entry.is_directory(ignored)) {
        if (!entry.is_symlink(ignored)) folders.push_back(entry.path());
      } else if (may_be_file(entry)) {
        files.push_back(entry.path());
      }
    }
  }
  return files;
}

}  // namespace heed
