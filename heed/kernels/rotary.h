#pragma once

#include <cstddef>
#include <cstdint>

#include "heed/kernels/element.h"

namespace heed::kernels {

/// One token's heads: row h of x starts h * x_head elements on, [heads, size] -> y. y may be x.
struct RotaryToken {
  const std::byte* x = nullptr;
  int64_t x_head = 0;
  std::byte* y = nullptr;
  int64_t y_head = 0;
  Element element = Element::f32;  // of x and y
  int64_t heads = 0;
  int64_t size = 0;                // D
  int64_t pairs = 0;               // R / 2, R <= D
  const float* cosines = nullptr;  // [R / 2]
  const float* sines = nullptr;    // [R / 2]
  bool interleaved = false;
  bool inverse = false;  // by the negative angles: what turns a gradient back
};

/// Rotary positions (Su et al., "RoFormer", 2021, eq. 34): pair i of a head, (a, b), becomes
/// (a cos_i - b sin_i, b cos_i + a sin_i). Its elements are i and i + R/2, or 2i and 2i + 1 where
/// interleaved; elements from R on stay. In f32, each result within 2 x 2^-24 (|a cos| + |b sin|)
/// before it is rounded to the element. No scratch, no threads; an element's bits depend on its
/// pair alone. Law: kernels::ref::rotary, in f64 inside.
void rotary(const RotaryToken& token);

namespace ref {
void rotary(const RotaryToken& token);
}  // namespace ref

}  // namespace heed::kernels
