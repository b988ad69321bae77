#include "heed/search/segment.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "heed/base/crc32c.h"
#include "heed/base/error.h"
#include "heed/base/parallel.h"

namespace heed {
namespace {

static_assert(std::endian::native == std::endian::little, "segments are mapped as they are");
static_assert(sizeof(RowScale) == 8 && sizeof(PassageRecord) == 40);

constexpr std::string_view kName = "segment-";
constexpr char kMagic[8] = {'h', 'e', 'e', 'd', 's', 'e', 'g', '1'};
constexpr int64_t kAlignment = 64;
constexpr int64_t kSummed = 1 << 20;  // bytes that have a sum of their own
// With these no product of sizes leaves 64 bits.
constexpr int64_t kMostRows = INT64_C(1) << 40;
constexpr int64_t kMostWidth = 1 << 16;
constexpr int64_t kMostTextBytes = INT64_C(1) << 50;

struct Header {
  char magic[8];
  int64_t rows;
  int64_t width;
  int64_t text_bytes;
  float longest;
  int32_t padding[7];
};
static_assert(sizeof(Header) == kAlignment);

int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

/// Where the body's parts begin, counted from the body.
struct Layout {
  explicit Layout(const Header& header)
      : scales(aligned(header.rows * code_width(header.width))),
        vectors(scales + aligned(header.rows * int64_t{sizeof(RowScale)})),
        passages(vectors + aligned(header.rows * header.width * int64_t{sizeof(float)})),
        texts(passages + aligned(header.rows * int64_t{sizeof(PassageRecord)})),
        sums(aligned(texts + header.text_bytes)),
        count((sums + kSummed - 1) / kSummed),
        file(int64_t{sizeof(Header)} + sums + (count + 1) * int64_t{sizeof(uint32_t)}) {}
  int64_t scales;
  int64_t vectors;
  int64_t passages;
  int64_t texts;
  int64_t sums;   // the body's end
  int64_t count;  // of sums
  int64_t file;   // bytes of the whole
};

template <class T>
std::span<const std::byte> bytes_of(const T* values, int64_t count) {
  return std::as_bytes(std::span(values, static_cast<size_t>(count)));
}

/// Writes the body and sums each MiB of it.
class BodyWriter {
 public:
  explicit BodyWriter(AtomicFile& file) : file_(file) {}

  void write(std::span<const std::byte> bytes) {
    written_ += static_cast<int64_t>(bytes.size());
    while (!bytes.empty()) {
      const size_t fitting = std::min(bytes.size(), static_cast<size_t>(kSummed) - block_.size());
      block_.insert(block_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(fitting));
      bytes = bytes.subspan(fitting);
      if (block_.size() == static_cast<size_t>(kSummed)) flush();
    }
  }
  void align() {
    constexpr std::byte kZeros[kAlignment] = {};
    write(bytes_of(kZeros, aligned(written_) - written_));
  }
  const std::vector<uint32_t>& finish() {
    if (!block_.empty()) flush();
    return sums_;
  }

 private:
  void flush() {
    sums_.push_back(crc32c(block_));
    file_.write(block_);
    block_.clear();
  }

  AtomicFile& file_;
  int64_t written_ = 0;
  std::vector<std::byte> block_;
  std::vector<uint32_t> sums_;
};

Header header_of(int64_t width, std::span<const SegmentRows> parts) {
  Header header{};
  std::copy(std::begin(kMagic), std::end(kMagic), header.magic);
  header.width = width;
  for (const SegmentRows& part : parts) {
    header.rows += part.count;
    header.longest = std::max(header.longest, part.longest);
    for (int64_t i = 0; i < part.count; ++i) header.text_bytes += part.passages[i].text_bytes;
  }
  return header;
}

void write_passages(BodyWriter& body, std::span<const SegmentRows> parts) {
  int64_t begin = 0;
  for (const SegmentRows& part : parts) {
    for (int64_t i = 0; i < part.count; ++i) {
      PassageRecord record = part.passages[i];
      record.text_begin = begin;
      begin += record.text_bytes;
      body.write(bytes_of(&record, 1));
    }
  }
}

uint32_t sum_of(const Header& header, std::span<const uint32_t> sums) {
  std::string all(reinterpret_cast<const char*>(&header), sizeof(header));
  all.append(reinterpret_cast<const char*>(sums.data()), sums.size_bytes());
  return crc32c(all);
}

[[noreturn]] void refuse(const MappedFile& file, const std::string& what) {
  throw Error(ErrorCode::corrupt_data, "search: " + file.path().string() + " " + what);
}

Header read_header(const MappedFile& file, int64_t width) {
  Header header;
  if (file.bytes().size() < sizeof(header)) refuse(file, "is too short to be a segment");
  std::memcpy(&header, file.bytes().data(), sizeof(header));
  if (!std::equal(std::begin(kMagic), std::end(kMagic), header.magic)) {
    refuse(file, "is no segment of this version of Heed");
  }
  if (header.rows < 0 || header.rows > kMostRows || header.width < 1 || header.width > kMostWidth ||
      header.text_bytes < 0 || header.text_bytes > kMostTextBytes || !(header.longest >= 0) ||
      !std::isfinite(header.longest)) {
    refuse(file, "is damaged: its sizes cannot be");
  }
  if (header.width != width) {
    refuse(file, "holds vectors of " + std::to_string(header.width) + " numbers, the index of " +
                     std::to_string(width));
  }
  return header;
}

}  // namespace

std::string segment_name(int64_t id) {
  const std::string digits = std::to_string(id);
  return std::string(kName) + std::string(6 - std::min<size_t>(6, digits.size()), '0') + digits;
}

bool is_segment_name(std::string_view name) {
  if (!name.starts_with(kName)) return false;
  int64_t id = 0;
  const char* end = name.data() + name.size();
  const auto read = std::from_chars(name.data() + kName.size(), end, id);
  return read.ec == std::errc() && read.ptr == end && id > 0 && name == segment_name(id);
}

SegmentFacts write_segment(const std::filesystem::path& folder, int64_t id, int64_t width,
                           std::span<const SegmentRows> parts) {
  const Header header = header_of(width, parts);
  AtomicFile file(folder / segment_name(id));
  file.write(bytes_of(&header, 1));
  BodyWriter body(file);
  for (const SegmentRows& part : parts)
    body.write(bytes_of(part.codes, part.count * code_width(width)));
  body.align();
  for (const SegmentRows& part : parts) body.write(bytes_of(part.scales, part.count));
  body.align();
  for (const SegmentRows& part : parts) body.write(bytes_of(part.vectors, part.count * width));
  body.align();
  write_passages(body, parts);
  body.align();
  for (const SegmentRows& part : parts) {
    for (int64_t i = 0; i < part.count; ++i) {
      const PassageRecord& one = part.passages[i];
      body.write(bytes_of(part.texts + one.text_begin, one.text_bytes));
    }
  }
  body.align();
  const std::vector<uint32_t>& sums = body.finish();
  const uint32_t crc = sum_of(header, sums);
  file.write(std::as_bytes(std::span(sums)));
  file.write(bytes_of(&crc, 1));
  file.commit();
  return {.id = id, .rows = header.rows, .bytes = Layout(header).file, .crc = crc};
}

std::shared_ptr<const Segment> Segment::open(const std::filesystem::path& folder,
                                             const SegmentFacts& facts, int64_t width) {
  return open(MappedFile::open(folder / segment_name(facts.id)), facts, width);
}

std::shared_ptr<const Segment> Segment::open(std::shared_ptr<const MappedFile> file,
                                             const SegmentFacts& facts, int64_t width) {
  const Header header = read_header(*file, width);
  const Layout layout(header);
  const auto size = static_cast<int64_t>(file->bytes().size());
  if (size != layout.file || size != facts.bytes || header.rows != facts.rows) {
    refuse(*file, "is damaged: needed " + std::to_string(layout.file) + " bytes, found " +
                      std::to_string(size));
  }
  const std::byte* start = file->bytes().data();
  const std::byte* body = start + sizeof(Header);
  const auto* sums = reinterpret_cast<const uint32_t*>(body + layout.sums);
  const std::span all(sums, static_cast<size_t>(layout.count));
  if (sums[layout.count] != facts.crc || sum_of(header, all) != facts.crc) {
    refuse(*file, "is not the file that the index tells of, or damaged");
  }
  std::shared_ptr<Segment> segment(new Segment);
  segment->file_ = std::move(file);
  segment->rows_ = header.rows;
  segment->width_ = header.width;
  segment->longest_ = header.longest;
  segment->body_ = {body, static_cast<size_t>(layout.sums)};
  segment->sums_ = sums;
  segment->codes_ = reinterpret_cast<const int8_t*>(body);
  segment->scales_ = reinterpret_cast<const RowScale*>(body + layout.scales);
  segment->vectors_ = reinterpret_cast<const float*>(body + layout.vectors);
  segment->passages_ = reinterpret_cast<const PassageRecord*>(body + layout.passages);
  segment->texts_ = {reinterpret_cast<const char*>(body + layout.texts),
                     static_cast<size_t>(header.text_bytes)};
  return segment;
}

RowBlock Segment::block(int64_t begin, int64_t end, int64_t first) const {
  return {.first = first,
          .count = end - begin,
          .vectors = vectors_ + begin * width_,
          .codes = codes_ + begin * code_width(width_),
          .scales = scales_ + begin,
          .longest = longest_};
}

SegmentRows Segment::part(int64_t begin, int64_t end) const {
  for (int64_t row = begin; row < end; ++row) text(row);  // a damaged place is not copied
  return {.count = end - begin,
          .vectors = vectors_ + begin * width_,
          .codes = codes_ + begin * code_width(width_),
          .scales = scales_ + begin,
          .passages = passages_ + begin,
          .texts = texts_.data(),
          .longest = longest_};
}

std::string_view Segment::text(int64_t row) const {
  const PassageRecord& one = passages_[row];
  const auto size = static_cast<int64_t>(texts_.size());
  const bool outside = one.text_begin < 0 || one.text_bytes < 0 || one.text_begin > size ||
                       one.text_bytes > size - one.text_begin;
  const auto is_place = [](int64_t at) { return at >= 0 && at <= kMostTextBytes; };
  if (outside || !is_place(one.byte_begin) || !is_place(one.character_begin) ||
      !is_place(one.line)) {
    refuse(*file_, "is damaged: passage " + std::to_string(row) + " lies where no text is");
  }
  return texts_.substr(static_cast<size_t>(one.text_begin), static_cast<size_t>(one.text_bytes));
}

void Segment::check() const {
  const auto size = static_cast<int64_t>(body_.size());
  const int64_t count = (size + kSummed - 1) / kSummed;
  std::atomic<int64_t> damaged = count;
  parallel_for(count, [&](int64_t i, int) {
    const int64_t begin = i * kSummed;
    const auto bytes = body_.subspan(static_cast<size_t>(begin),
                                     static_cast<size_t>(std::min(kSummed, size - begin)));
    if (crc32c(bytes) == sums_[i]) return;
    int64_t first = damaged;
    while (i < first && !damaged.compare_exchange_weak(first, i)) {
    }
  });
  if (damaged < count) {
    refuse(*file_, "is damaged in its MiB " + std::to_string(damaged) + "; index the files anew");
  }
  for (int64_t row = 0; row < rows_; ++row) text(row);
}

}  // namespace heed
