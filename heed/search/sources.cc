#include "heed/search/sources.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <unordered_set>

#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/io/csv.h"
#include "heed/io/records.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

/// Collects what the roots name.
class Lister {
 public:
  void add_root(const std::string& root) {
    root_ = root;
    if (!is_folder(root)) return add(root);
    std::vector<std::string> paths;
    size_t strange = 0;
    const auto unread = [&](const fs::path& folder, const Error& error) {
      leave_out(folder.string(), error);
    };
    for (const fs::path& path : files_below(root, unread)) {
      if (is_valid_utf8(path.string())) {
        paths.push_back(path.string());
      } else {
        ++strange;
      }
    }
    if (strange > 0) {
      log(LogLevel::warning,
          fmt::format("{}: left out {} whose name is not UTF-8", root, counted(strange, "file")));
    }
    std::ranges::sort(paths);
    for (const std::string& path : paths) add(path);
  }
  SourceList take() && { return std::move(list_); }

 private:
  void add(const std::string& path) {
    if (!seen_.insert(path).second) return;
    try {
      struct stat status {};
      if (::stat(path.c_str(), &status) != 0) throw_system("cannot look at", path, errno);
      if (!S_ISREG(status.st_mode)) return;
      list_.files.push_back(
          {.path = path,
           .size = status.st_size,
           .modified_ns = status.st_mtim.tv_sec * INT64_C(1'000'000'000) + status.st_mtim.tv_nsec,
           .named = path == root_});
    } catch (const Error& error) {
      leave_out(path, error);
    }
  }
  /// What is gone by now is not there; of anything else nobody knows.
  void leave_out(const std::string& path, const Error& error) {
    if (error.code() == ErrorCode::not_found) return;
    if (path == root_) throw error;
    log(LogLevel::warning, std::string(error.what()) + "; what the index has of it stays as it is");
    list_.unread.push_back(path);
  }

  std::string root_;
  SourceList list_;
  std::unordered_set<std::string> seen_;
};

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
  std::string whole = absolute_path(path).lexically_normal().string();
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

SourceList list_sources(std::span<const std::string> roots) {
  Lister lister;
  for (const std::string& root : roots) lister.add_root(root);
  return std::move(lister).take();
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
