#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/file.h"
#include "heed/search/nearest.h"
#include "heed/text/tokenizer.h"

namespace heed {

/// Where a passage's text lies in its segment and in the file that it comes from. As on disk.
struct PassageRecord {
  int64_t text_begin;  // bytes, in the segment's texts
  int64_t text_bytes;
  int64_t byte_begin;       // in the file's text
  int64_t character_begin;  // the same in characters
  int64_t line;             // of the file, from 1
};

/// Rows to be written: in memory, or some of another segment.
struct SegmentRows {
  int64_t count;                  // R
  const float* vectors;           // [R, W]
  const int8_t* codes;            // [R, code_width(W)]
  const RowScale* scales;         // [R]
  const PassageRecord* passages;  // [R]
  const char* texts;              // where text_begin counts from
  float longest;
};

/// What tells one segment's file from any other.
struct SegmentFacts {
  int64_t id = 0;
  int64_t rows = 0;
  int64_t bytes = 0;  // of the file
  uint32_t crc = 0;   // CRC-32C of the header and of the sums of all blocks
};

/// Writes all rows to FOLDER/segment-ID, which appears whole or not at all. The file,
/// little-endian: a header of 64 bytes; the body: codes, scales, vectors, passages, each padded to
/// 64 bytes, and the texts; a CRC-32C for each MiB of the body; one of header and those.
SegmentFacts write_segment(const std::filesystem::path& folder, int64_t id, int64_t width,
                           std::span<const SegmentRows> parts);

/// "segment-000012".
std::string segment_name(int64_t id);
/// Whether some segment's file has this name.
bool is_segment_name(std::string_view name);

/// A segment's file in memory (mapped). Its sizes and offsets are checked when it is opened, so
/// that nothing is read outside it whatever it holds; its content by check().
class Segment {
 public:
  /// Error not_found; corrupt_data for a file that is not the one the facts tell of.
  static std::shared_ptr<const Segment> open(const std::filesystem::path& folder,
                                             const SegmentFacts& facts, int64_t width);
  /// The same on a mapped file; error corrupt_data.
  static std::shared_ptr<const Segment> open(std::shared_ptr<const MappedFile> file,
                                             const SegmentFacts& facts, int64_t width);

  int64_t rows() const { return rows_; }
  /// Rows [begin, end), the first of which has the number `first`.
  RowBlock block(int64_t begin, int64_t end, int64_t first) const;
  /// The same for write_segment. Nothing of it but places in texts is looked at: check() does.
  SegmentRows part(int64_t begin, int64_t end) const;
  const PassageRecord& passage(int64_t row) const { return passages_[row]; }
  /// Error corrupt_data for a place outside the segment's texts.
  std::string_view text(int64_t row) const;
  /// Reads all of it. Error corrupt_data names the first damaged MiB.
  void check() const;

 private:
  Segment() = default;

  std::shared_ptr<const MappedFile> file_;
  int64_t rows_ = 0;
  int64_t width_ = 0;
  float longest_ = 0;
  std::span<const std::byte> body_;
  const uint32_t* sums_ = nullptr;
  const int8_t* codes_ = nullptr;
  const RowScale* scales_ = nullptr;
  const float* vectors_ = nullptr;
  const PassageRecord* passages_ = nullptr;
  std::string_view texts_;
};

}  // namespace heed
