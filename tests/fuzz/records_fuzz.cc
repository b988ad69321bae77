// Texts of .jsonl and .csv files from anywhere, of a field that the first line names.

#include <cstdint>
#include <string>
#include <string_view>

#include "heed/base/error.h"
#include "heed/io/csv.h"
#include "heed/io/records.h"

namespace {

/// Texts stand in the order of their lines, in lines that the content has.
void check(const std::vector<heed::TextRecord>& records, std::string_view content) {
  const auto lines = std::ssize(heed::lines_of(content));
  int64_t before = 0;
  for (const heed::TextRecord& record : records) {
    HEED_ASSERT(record.line > before && record.line <= lines);
    HEED_ASSERT(record.text.size() <= content.size());
    before = record.line;
  }
}

template <class Read>
void tolerate(const Read& read) {
  try {
    read();
  } catch (const heed::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all{reinterpret_cast<const char*>(data), size};
  const size_t end = all.find('\n');
  if (end == std::string_view::npos) return 0;
  const std::string field(all.substr(0, end));
  const std::string_view content = all.substr(end + 1);
  tolerate([&] { check(heed::json_line_records(content, field, "fuzz"), content); });
  tolerate([&] { check(heed::csv_records(content, field, "fuzz"), content); });
  heed::record_format(field.substr(0, field.find('\0')));
  return 0;
}
