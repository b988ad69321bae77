#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed::cli {

/// JSON for output: keys in the order they were added, and real numbers as f32, which print with
/// the fewest digits that read back as the same f32. Infinities and NaN become null.
using OutJson = nlohmann::basic_json<nlohmann::ordered_map, std::vector, std::string, bool, int64_t,
                                     uint64_t, float>;

/// One line of text (no newline); bytes that are not UTF-8 become U+FFFD.
std::string to_line(const OutJson& value);

/// An f32 or i64 array of any rank from 1 as lists of lists.
OutJson nested_json(const Tensor& array);

/// print()s the value and a newline.
void print_json(const OutJson& value);

}  // namespace heed::cli
