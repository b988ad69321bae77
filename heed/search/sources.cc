#include "heed/search/sources.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <unordered_set>

#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/base/message.h"
#include "heed/io/csv.h"
#include "heed/io/records.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with("."); }

/// The file's facts; false for what is no regular file.
bool look_at(const std::string& path, SourceFile* file) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  *file = {.path = path,
           .size = status.st_size,
           .modified_ns = status.st_mtim.tv_sec * INT64_C(1'000'000'000) + status.st_mtim.tv_nsec};
  return true;
}

/// Files below a folder by name. Links to folders are not followed: they may lead around in
/// circles.
std::vector<std::string> files_below(const fs::path& folder) {
  std::vector<std::string> paths;
  size_t strange = 0;
  for (auto at =
           fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied);
       at != fs::recursive_directory_iterator(); ++at) {
    std::error_code ignored;
    if (is_hidden(at->path())) {
      if (at->is_directory(ignored)) at.disable_recursion_pending();
      continue;
    }
    if (!at->is_regular_file(ignored)) continue;
    if (is_valid_utf8(at->path().string())) {
      paths.push_back(at->path().string());
    } else {
      ++strange;
    }
  }
  if (strange > 0) {
    log(LogLevel::warning, fmt::format("{}: {} files whose names are not UTF-8 were left out",
                                       folder.string(), strange));
  }
  std::ranges::sort(paths);
  return paths;
}

std::vector<SourceText> lines_as_texts(std::string_view content) {
  std::vector<SourceText> texts;
  int64_t line = 0, characters = 0;
  const char* start = content.data();
  for (const std::string_view one : lines_of(content)) {
    const auto begin = static_cast<int64_t>(one.data() - start);
    const auto before = texts.empty() ? int64_t{0} : texts.back().byte_begin;
    characters +=
        static_cast<int64_t>(decode_utf8(content.substr(static_cast<size_t>(before),
                                                        static_cast<size_t>(begin - before)))
                                 .chars.size());
    texts.push_back({std::string(one), begin, characters, ++line});
  }
  return texts;
}

}  // namespace

std::string source_path(const fs::path& path) {
  std::string whole = fs::absolute(path).lexically_normal().string();
  if (whole.size() > 1 && whole.back() == '/') whole.pop_back();
  if (!is_valid_utf8(whole)) {
    throw Error(ErrorCode::invalid_argument,
                "search: " + printable(whole) + " has a name that is not UTF-8; rename it");
  }
  return whole;
}

bool lies_in(std::string_view path, std::string_view root) {
  if (!path.starts_with(root)) return false;
  return path.size() == root.size() || root == "/" || path[root.size()] == '/';
}

bool lies_in_any(std::string_view path, std::span<const std::string> roots) {
  return std::ranges::any_of(roots, [&](const std::string& root) { return lies_in(path, root); });
}

std::vector<SourceFile> list_sources(std::span<const std::string> roots) {
  std::vector<SourceFile> files;
  std::unordered_set<std::string> seen;
  SourceFile file;
  for (const std::string& root : roots) {
    std::vector<std::string> paths = {root};
    if (fs::is_directory(root)) paths = files_below(root);
    for (const std::string& path : paths) {
      if (!look_at(path, &file) || !seen.insert(path).second) continue;
      file.named = path == root;
      files.push_back(file);
    }
  }
  return files;
}

bool is_binary(std::string_view content) {
  constexpr size_t kLooked = 8000;
  return content.substr(0, kLooked).find('\0') != std::string_view::npos;
}

std::vector<SourceText> read_source(const std::string& path, std::string content,
                                    const IndexSettings& settings) {
  const RecordFormat format = record_format(path);
  std::vector<TextRecord> records;
  if (format == RecordFormat::json_lines) {
    records = json_line_records(content, settings.field, path);
  } else if (format == RecordFormat::csv) {
    records = csv_records(content, settings.field, path);
  } else if (settings.lines) {
    return lines_as_texts(content);
  } else {
    std::vector<SourceText> whole;
    whole.push_back({std::move(content)});
    return whole;
  }
  std::vector<SourceText> texts;
  for (TextRecord& record : records) {
    texts.push_back(
        {std::move(record.text), 0, 0, record.line, format == RecordFormat::json_lines});
  }
  return texts;
}

}  // namespace heed
