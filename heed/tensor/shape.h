#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace heed {

/// Sizes (or strides, in elements) of up to kMaxRank dimensions, held inline.
class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}
  /// Error invalid_argument for more than kMaxRank sizes.
  explicit Shape(std::span<const int64_t> sizes);

  int rank() const { return rank_; }
  /// Size of dimension i; -1 is the last.
  int64_t operator[](int i) const { return sizes_[index(i)]; }
  int64_t& operator[](int i) { return sizes_[index(i)]; }
  void push_back(int64_t size);
  const int64_t* begin() const { return sizes_.data(); }
  const int64_t* end() const { return sizes_.data() + rank_; }
  /// Product of the sizes; 1 for rank 0. Error invalid_argument on a negative size or overflow.
  int64_t numel() const;
  bool operator==(const Shape& other) const;

 private:
  size_t index(int i) const;
  std::array<int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};

/// "[2, 3]".
std::string to_string(const Shape& shape);
/// Row-major strides in elements.
Shape row_major_strides(const Shape& shape);
/// Strides without gaps that keep the order of dimensions which these strides have in memory.
Shape dense_strides(const Shape& shape, const Shape& strides);

}  // namespace heed
