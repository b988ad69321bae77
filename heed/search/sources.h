#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heed/search/manifest.h"

namespace heed {

/// A file to index, as it is now.
struct SourceFile {
  std::string path;         // absolute
  int64_t size = 0;         // bytes
  int64_t modified_ns = 0;  // since the epoch
  bool named = false;       // it is a root, and not below one
};

/// The absolute path without "." and "..", by which an index knows a file. Error invalid_argument
/// for one that is not UTF-8.
std::string source_path(const std::filesystem::path& path);

/// Whether path is `root` or lies in it.
bool lies_in(std::string_view path, std::string_view root);
bool lies_in_any(std::string_view path, std::span<const std::string> roots);

/// What there is to index.
struct SourceList {
  std::vector<SourceFile> files;
  std::vector<std::string> unread;  // files and folders that the system does not let us look into
};

/// The files that `roots` (source_path()) name, in the order of roots and then of names, each once:
/// files as they are; of folders all regular files below, but those in hidden folders, hidden
/// ones, and what is not UTF-8 by name. The log is told of those and of what is unread; a root that
/// is unread is an Error, io_failure. A root that is not there gives none.
SourceList list_sources(std::span<const std::string> roots);

/// Whether the content looks like no text: a zero byte among the first 8,000, as git decides.
bool is_binary(std::string_view content);

/// A text that is cut into passages by itself. Offsets of passages count from its own, so that they
/// are places in the file for text files, and in the field for .jsonl and .csv.
struct SourceText {
  std::string text;
  int64_t byte_begin = 0;
  int64_t character_begin = 0;
  int64_t line = 1;
  bool of_one_line = false;  // of the file, whatever line ends the text has
};

/// A file's texts: the fields of .jsonl (.ndjson) and .csv; the lines of others with
/// settings.lines, else all of it. Errors as heed/io/records.h.
std::vector<SourceText> read_source(const std::string& path, std::string content,
                                    const IndexSettings& settings);

}  // namespace heed
