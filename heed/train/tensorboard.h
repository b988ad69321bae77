#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace heed::internal {

// TensorBoard's event file: records of length, masked CRC-32C of the length, an Event of
// tensorflow/core/util/event.proto, masked CRC-32C of that. Times are seconds since 1970.

/// The file's first record.
std::string event_file_start(double time);
/// Points that are there already of this step and later ones go from the display: the run was
/// resumed.
std::string event_restart(double time, int64_t step);
/// One point of each curve.
std::string event_of(double time, int64_t step,
                     const std::vector<std::pair<std::string, double>>& metrics);

}  // namespace heed::internal
