#include "heed/tensor/shape.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "heed/base/error.h"

namespace heed {

Shape::Shape(std::span<const int64_t> sizes) {
  for (const int64_t size : sizes) push_back(size);
}

void Shape::push_back(int64_t size) {
  if (rank_ == kMaxRank) {
    throw Error(ErrorCode::invalid_argument,
                "shape: needed at most " + std::to_string(kMaxRank) + " dimensions, found more");
  }
  sizes_[static_cast<size_t>(rank_++)] = size;
}

size_t Shape::index(int i) const {
  if (i < 0) i += rank_;
  HEED_ASSERT(i >= 0 && i < rank_);
  return static_cast<size_t>(i);
}

int64_t Shape::numel() const {
  int64_t product = 1;
  bool overflow = false;
  for (const int64_t size : *this) {
    if (size < 0) {
      throw Error(ErrorCode::invalid_argument,
                  "shape: sizes must not be negative: " + to_string(*this));
    }
    overflow |= __builtin_mul_overflow(product, size, &product);
  }
  if (overflow) {
    if (std::find(begin(), end(), 0) != end()) return 0;
    throw Error(ErrorCode::invalid_argument, "shape: too many elements: " + to_string(*this));
  }
  return product;
}

bool Shape::operator==(const Shape& other) const {
  return std::equal(begin(), end(), other.begin(), other.end());
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (const int64_t size : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(size);
  }
  return text + "]";
}

Shape row_major_strides(const Shape& shape) {
  Shape strides = shape;
  int64_t step = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

Shape dense_strides(const Shape& shape, const Shape& strides) {
  std::vector<int> dims(static_cast<size_t>(shape.rank()));
  std::iota(dims.rbegin(), dims.rend(), 0);
  std::ranges::stable_sort(dims, {}, [&](int dim) { return strides[dim]; });
  Shape result = shape;
  int64_t step = 1;
  for (const int dim : dims) {
    result[dim] = step;
    step *= shape[dim];
  }
  return result;
}

}  // namespace heed
