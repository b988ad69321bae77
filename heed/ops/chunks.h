#pragma once

#include <algorithm>
#include <cstdint>

#include "heed/base/parallel.h"

namespace heed {

/// Elements of a cheap elementwise operation that make a task: some microseconds of work, several
/// times what handing a task to another thread costs.
inline constexpr int64_t kElementsPerTask = 1 << 12;

/// body(begin, end) over [0, count) in chunks of at most `chunk`, over the threads. Chunks do not
/// depend on the number of threads.
template <class F>
void parallel_chunks(int64_t count, int64_t chunk, F&& body) {
  parallel_for((count + chunk - 1) / chunk,
               [&](int64_t task, int) { body(task * chunk, std::min((task + 1) * chunk, count)); });
}

/// parallel_chunks over rows of `width` elements, each task about kElementsPerTask elements.
template <class F>
void parallel_rows(int64_t rows, int64_t width, F&& body) {
  const int64_t chunk = std::max<int64_t>(1, kElementsPerTask / std::max<int64_t>(1, width));
  parallel_chunks(rows, chunk, body);
}

}  // namespace heed
