#pragma once

#include <cstdint>

namespace heed::kernels {

/// Rows of codes are a multiple of this long, zeros behind what they hold: no kernel has a tail.
constexpr int64_t kInt8Step = 64;

/// dots[i] = sum over k < width of codes[i * width + k] * query[k], for i < count; width is a
/// multiple of kInt8Step, query > -32768. Sums are modulo 2^32, so the bits are the same on every
/// instruction set, and exact where they fit in 32 bits. Reads codes once, in order: what counts is
/// how fast they come from memory. No threads.
void int8_dots(const int8_t* codes, int64_t count, int64_t width, const int16_t* query,
               int32_t* dots);

namespace ref {
void int8_dots(const int8_t* codes, int64_t count, int64_t width, const int16_t* query,
               int32_t* dots);
}  // namespace ref

}  // namespace heed::kernels
