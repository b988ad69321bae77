#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "heed/kernels/attention_problem.h"

namespace heed::kernels {

/// Rows that are wanted soon, asked for a few at a time while others are computed with. The rows of
/// one head of a projection, and of a mask, lie pages apart, so no processor guesses them, and
/// asking for all of them at once is waiting: L1 holds few requests (24 on Zen 4). What was added
/// last is asked for first.
class RowsAhead {
 public:
  void clear() { count_ = 0; }

  /// Rows [first, last) of a head, or nothing where the processor's own guess finds them.
  template <class Byte>
  void add(const AttentionRows<Byte>& rows, int64_t b, int64_t h, int64_t first, int64_t last,
           int64_t size) {
    if (first >= last || rows.row == size || rows.data == nullptr) return;
    const int64_t bytes = size_of(rows.element);
    runs_[count_++] = {reinterpret_cast<const std::byte*>(rows.at(b, h, first)), rows.row * bytes,
                       last - first, size * bytes, !std::is_const_v<Byte>};
  }

  /// `size` elements of each of `rows` rows of a mask, which begin `stride` elements apart. (Of
  /// many masks the first few.)
  template <class T>
  void add(const T* first, int64_t stride, int64_t rows, int64_t size) {
    constexpr auto kBytes = static_cast<int64_t>(sizeof(T));
    if (count_ == kMost) return;
    runs_[count_++] = {reinterpret_cast<const std::byte*>(first), stride * kBytes, rows,
                       size * kBytes, false};
  }

  /// So many calls of some() will follow.
  void spread(int64_t calls) {
    int64_t rows = 0;
    for (int i = 0; i < count_; ++i) rows += runs_[i].rows;
    each_ = (rows + calls - 1) / std::max<int64_t>(calls, 1);
  }

  void some() {
    constexpr int kL2 = 2;
    for (int64_t left = each_; left > 0 && count_ > 0;) {
      Run& run = runs_[count_ - 1];
      for (; left > 0 && run.rows > 0; --left, --run.rows, run.at += run.stride) {
        for (int64_t i = 0; i < run.bytes; i += 64) {
          run.write ? __builtin_prefetch(run.at + i, 1) : __builtin_prefetch(run.at + i, 0, kL2);
        }
      }
      if (run.rows == 0) --count_;
    }
  }

 private:
  struct Run {
    const std::byte* at;
    int64_t stride;  // bytes
    int64_t rows;
    int64_t bytes;  // of a row
    bool write;
  };
  static constexpr int kMost = 8;
  Run runs_[kMost];
  int count_ = 0;
  int64_t each_ = 0;
};

}  // namespace heed::kernels
