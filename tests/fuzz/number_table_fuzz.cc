// Tables of numbers (heed explain attention --input) and .csv texts from anywhere.

#include <cmath>
#include <cstdint>

#include "heed/base/error.h"
#include "heed/io/number_table.h"

namespace {

// What is read must be whole: a label a row and a column, and only finite numbers.
void check(const heed::NumberTable& table) {
  HEED_ASSERT(table.values.rank() == 2 && table.values.numel() > 0);
  HEED_ASSERT(table.rows.empty() ||
              static_cast<int64_t>(table.rows.size()) == table.values.size(0));
  HEED_ASSERT(table.columns.empty() ||
              static_cast<int64_t>(table.columns.size()) == table.values.size(1));
  for (const float value : table.values.span<float>()) HEED_ASSERT(std::isfinite(value));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    check(heed::parse_number_table({reinterpret_cast<const char*>(data), size}, "fuzz"));
  } catch (const heed::Error&) {
  }
  return 0;
}
