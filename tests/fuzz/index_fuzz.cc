// A search index's list and segments from anywhere.

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <numeric>

#include "heed/base/crc32c.h"
#include "heed/base/error.h"
#include "heed/io/json.h"
#include "heed/search/manifest.h"
#include "heed/search/segment.h"

namespace {

using namespace heed;

constexpr int64_t kRows = 7, kWidth = 20;

/// Bytes as a file that can be mapped.
std::shared_ptr<const MappedFile> mapped(std::string_view bytes) {
  const int file = memfd_create("fuzz", MFD_CLOEXEC);
  if (write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) abort();
  auto result = MappedFile::open("/proc/self/fd/" + std::to_string(file));
  close(file);
  return result;
}

struct Whole {
  std::string bytes;
  SegmentFacts facts;
};

Whole make_segment() {
  std::vector<float> vectors(kRows * kWidth);
  std::iota(vectors.begin(), vectors.end(), -50.0F);
  std::vector<int8_t> codes(static_cast<size_t>(kRows * code_width(kWidth)));
  std::vector<RowScale> scales;
  std::vector<PassageRecord> passages;
  for (int64_t i = 0; i < kRows; ++i) {
    const std::span row(vectors.data() + i * kWidth, size_t{kWidth});
    scales.push_back(quantize_row(row, codes.data() + i * code_width(kWidth)));
    passages.push_back({3 * i, 3, 3 * i, 3 * i, 1});
  }
  char folder[] = "/tmp/heed-fuzz-XXXXXX";
  if (mkdtemp(folder) == nullptr) abort();
  const std::string texts(static_cast<size_t>(3 * kRows), 'a');
  const SegmentRows rows{kRows,           vectors.data(), codes.data(), scales.data(),
                         passages.data(), texts.data(),   400.0F};
  Whole whole;
  whole.facts = write_segment(folder, 1, kWidth, {&rows, 1});
  whole.bytes = read_file(std::filesystem::path(folder) / segment_name(1));
  std::filesystem::remove_all(folder);
  return whole;
}

template <class F>
void tolerate(F&& body) {
  try {
    body();
  } catch (const Error&) {
  }
}

void use(const Segment& segment) {
  const std::vector<float> query(kWidth, 0.5F);
  tolerate([&] { nearest(std::vector{segment.block(0, segment.rows(), 0)}, query, 3); });
  for (int64_t row = 0; row < segment.rows(); ++row) tolerate([&] { segment.text(row); });
  tolerate([&] { segment.check(); });
}

/// The bytes as a file, then as what lies behind the header of one whose sums are right.
void open_segments(std::string_view bytes) {
  static const Whole whole = make_segment();
  SegmentFacts facts{.id = 1, .rows = 0, .bytes = static_cast<int64_t>(bytes.size()), .crc = 0};
  if (bytes.size() > 64) std::memcpy(&facts.rows, bytes.data() + 8, sizeof(facts.rows));
  tolerate([&] { use(*Segment::open(mapped(bytes), facts, kWidth)); });
  std::string body = whole.bytes;
  const size_t sums = 2 * sizeof(uint32_t);  // one for the body, one for header and sums
  const size_t count = std::min(bytes.size(), body.size() - 64 - sums);
  std::memcpy(body.data() + 64, bytes.data(), count);
  tolerate([&] { use(*Segment::open(mapped(body), whole.facts, kWidth)); });
}

void read_lists(std::string_view bytes) {
  tolerate([&] { parse_manifest(bytes, "fuzz"); });
  tolerate([&] {  // the same with its sum right
    const Json content = parse_json(bytes, "fuzz");
    const std::string text = content.dump(-1, ' ', false, Json::error_handler_t::replace);
    const Json all = {{"format", "heed search index"},
                      {"version", 1},
                      {"crc32c", crc32c(text)},
                      {"content", content}};
    parse_manifest(all.dump(-1, ' ', false, Json::error_handler_t::replace), "fuzz");
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.starts_with("{")) {
    read_lists(bytes);
  } else {
    open_segments(bytes);
  }
  return 0;
}
