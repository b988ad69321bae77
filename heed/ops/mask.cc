#include "heed/ops/mask.h"

#include <algorithm>
#include <string>
#include <utility>

#include "heed/base/error.h"

namespace heed {
namespace {

void expect_some(const std::vector<int64_t>& values, const std::string& what) {
  if (values.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "mask: needed " + what + " for each batch row (or one for all), found none");
  }
}

void expect_dtype(const Tensor& tensor, DType dtype, const std::string& what) {
  if (!tensor.defined()) {
    throw Error(ErrorCode::invalid_argument, "mask: needed a tensor for " + what + ", found none");
  }
  if (tensor.dtype() != dtype) {
    throw Error(ErrorCode::invalid_argument, "mask: " + what + " must be " +
                                                 std::string(to_string(dtype)) + " but is " +
                                                 std::string(to_string(tensor.dtype())));
  }
}

// The smaller of each pair; a single entry serves every batch row, none means no limit.
std::vector<int64_t> smaller(const std::vector<int64_t>& a, const std::vector<int64_t>& b,
                             const std::string& what) {
  if (a.empty() || b.empty()) return a.empty() ? b : a;
  if (a.size() != b.size() && a.size() != 1 && b.size() != 1) {
    throw Error(ErrorCode::invalid_argument,
                "mask: needed " + what + " of equal batch sizes to combine, found " +
                    std::to_string(a.size()) + " and " + std::to_string(b.size()));
  }
  std::vector<int64_t> least(std::max(a.size(), b.size()));
  for (size_t i = 0; i < least.size(); ++i) {
    least[i] = std::min(a[a.size() == 1 ? 0 : i], b[b.size() == 1 ? 0 : i]);
  }
  return least;
}

// The entry for batch row b, one entry serving every row.
int64_t entry(const std::vector<int64_t>& values, int64_t b, int64_t batch, const char* what) {
  const auto found = static_cast<int64_t>(values.size());
  if (found == 1) return values[0];
  if (found == batch) return values[static_cast<size_t>(b)];
  throw Error(ErrorCode::invalid_argument,
              std::string("attention: needed ") + what + " for B=" + std::to_string(batch) +
                  " batch rows (or one for all), found " + std::to_string(found));
}

std::vector<int64_t> checked_starts(std::vector<int64_t> starts, const std::string& what) {
  const auto fail = [&](const std::string& found) {
    throw Error(
        ErrorCode::invalid_argument,
        "mask: needed " + what + " starts from 0 on, none below the one before, found " + found);
  };
  if (starts.empty()) fail("none");
  if (starts[0] != 0) fail("a first one of " + std::to_string(starts[0]));
  for (size_t i = 1; i < starts.size(); ++i) {
    if (starts[i] < starts[i - 1]) {
      fail(std::to_string(starts[i]) + " after " + std::to_string(starts[i - 1]));
    }
  }
  return starts;
}

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

Mask Mask::causal(Align align) {
  Mask mask;
  mask.causal_aligns_.push_back(align);
  return mask;
}

Mask Mask::causal(std::vector<int64_t> offsets) {
  expect_some(offsets, "a causal offset");
  Mask mask;
  mask.causal_offsets_ = std::move(offsets);
  return mask;
}

Mask Mask::padding(std::vector<int64_t> lengths) {
  expect_some(lengths, "a length");
  const auto negative =
      std::find_if(lengths.begin(), lengths.end(), [](int64_t n) { return n < 0; });
  if (negative != lengths.end()) {
    throw Error(ErrorCode::invalid_argument, "mask: needed lengths of at least 0, found " +
                                                 std::to_string(*negative) + " for batch row " +
                                                 std::to_string(negative - lengths.begin()));
  }
  Mask mask;
  mask.lengths_ = std::move(lengths);
  return mask;
}

Mask Mask::window(int64_t left, int64_t right) {
  if (left < 0 || right < 0) {
    throw Error(
        ErrorCode::invalid_argument,
        "mask: needed a window of at least 0 keys on each side (Mask::kOpen for all), found " +
            std::to_string(left) + " and " + std::to_string(right));
  }
  Mask mask;
  mask.left_ = std::min(left, kOpen);
  mask.right_ = std::min(right, kOpen);
  return mask;
}

Mask Mask::segments(std::vector<int64_t> query_starts, std::vector<int64_t> key_starts) {
  if (query_starts.size() != key_starts.size()) {
    throw Error(ErrorCode::invalid_argument,
                "mask: needed as many starts of key segments as of query segments, found " +
                    std::to_string(key_starts.size()) + " and " +
                    std::to_string(query_starts.size()));
  }
  Mask mask;
  mask.segments_ = {checked_starts(std::move(query_starts), "query"),
                    checked_starts(std::move(key_starts), "key")};
  return mask;
}

Mask Mask::boolean(Tensor visible) {
  expect_dtype(visible, DType::boolean, "a boolean mask");
  Mask mask;
  mask.booleans_.push_back(std::move(visible));
  return mask;
}

Mask Mask::additive(Tensor bias) {
  expect_dtype(bias, DType::f32, "an additive mask");
  Mask mask;
  mask.additives_.push_back(std::move(bias));
  return mask;
}

Mask operator&(const Mask& a, const Mask& b) {
  Mask both = a;
  append(both.causal_aligns_, b.causal_aligns_);
  both.causal_offsets_ = smaller(a.causal_offsets_, b.causal_offsets_, "causal offsets");
  both.lengths_ = smaller(a.lengths_, b.lengths_, "lengths");
  both.left_ = std::min(a.left_, b.left_);
  both.right_ = std::min(a.right_, b.right_);
  if (a.segments_ && b.segments_) {
    throw Error(ErrorCode::invalid_argument, "mask: needed one list of segments, found two");
  }
  if (b.segments_) both.segments_ = b.segments_;
  append(both.booleans_, b.booleans_);
  append(both.additives_, b.additives_);
  return both;
}

bool Mask::empty() const {
  return !causal() && lengths_.empty() && left_ == kOpen && right_ == kOpen && !segments_ &&
         booleans_.empty() && additives_.empty();
}

int64_t Mask::position_offset(int64_t b, int64_t batch, int64_t queries, int64_t keys) const {
  const int64_t bottom_right = length(b, batch, keys) - queries;
  int64_t least = causal() ? kOpen : bottom_right;
  if (!causal_offsets_.empty()) {
    least = std::clamp(entry(causal_offsets_, b, batch, "causal offsets"), -kOpen, kOpen);
  }
  for (const Align align : causal_aligns_) {
    least = std::min(least, align == Align::top_left ? 0 : bottom_right);
  }
  return least;
}

int64_t Mask::length(int64_t b, int64_t batch, int64_t keys) const {
  if (lengths_.empty()) return keys;
  const int64_t length = entry(lengths_, b, batch, "lengths");
  if (length <= keys) return length;
  throw Error(ErrorCode::invalid_argument,
              "attention: needed lengths of at most S=" + std::to_string(keys) + " keys, found " +
                  std::to_string(length));
}

}  // namespace heed
