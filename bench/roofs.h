#pragma once

#include <cstdint>
#include <functional>

namespace heed::bench {

/// Operations a second of work that does `operations`: the best of a few runs within about 20 ms,
/// on num_threads() threads' clock.
double best_rate(double operations, const std::function<void()>& work);

// What the machine could do at most, measured by loops that do nothing else, on num_threads()
// threads: a kernel's share of its roof says what is left.

/// Fused multiply-adds on f32 vectors of the instruction set in use, flop/s.
double multiply_add_roof();
/// The instruction set's products of pairs of bf16 (AMX's tiles, AVX512-BF16's dot products) in
/// registers, flop/s; 0 where the one in use has none.
double pair_roof();
/// Reading a buffer of so many bytes again and again, bytes/s: from the cache that it fits in.
double read_roof(int64_t bytes);

}  // namespace heed::bench
