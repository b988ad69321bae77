#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "heed/search/segment.h"
#include "heed/tasks/chunks.h"

namespace heed {

/// What is the same for all of an index.
struct IndexSettings {
  std::string model;        // as it was named
  std::string fingerprint;  // of the model's files: fingerprint_of()
  int64_t width = 0;        // W of the vectors
  ChunkOptions chunks;
  bool lines = false;          // each line of a text file is a text of its own
  std::string field = "text";  // of .jsonl and .csv files
};

/// Rows of a segment.
struct DocumentPart {
  int64_t segment;  // its id
  int64_t first;
  int64_t count;
  bool operator==(const DocumentPart&) const = default;
};

/// A file that was read.
struct Document {
  std::string path;
  int64_t size = 0;                 // bytes
  int64_t modified_ns = 0;          // since the epoch; 0: too young to tell of later changes
  uint32_t crc = 0;                 // CRC-32C of its content
  int64_t passages = 0;             // that it has
  std::vector<DocumentPart> parts;  // in order; until all are there, of the first ones

  int64_t rows() const;
  bool complete() const { return rows() == passages; }
  /// Adds rows behind the others, as one part where they go on.
  void add(const DocumentPart& part);
};

/// All that is committed: what no manifest names is not there.
struct Manifest {
  IndexSettings settings;
  int64_t next_segment = 1;
  std::vector<std::string> sources;  // files and folders that were asked for
  std::vector<SegmentFacts> segments;
  std::vector<Document> documents;

  int64_t passages() const;  // that can be found
};

/// FOLDER/index.json, which is replaced as a whole. Error not_found for a folder without one;
/// corrupt_data; unsupported for another version.
Manifest read_manifest(const std::filesystem::path& folder);
void write_manifest(const std::filesystem::path& folder, const Manifest& manifest);
/// Error io_failure where the system does not tell.
bool has_manifest(const std::filesystem::path& folder);
bool is_manifest_name(std::string_view name);

/// The same on the content; `where` names it in errors. Everything is checked: parts lie in
/// segments that are there.
Manifest parse_manifest(std::string_view content, const std::string& where);

}  // namespace heed
