#include "heed/autograd/share.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

// What shares_out says of random views, against each element's count.

namespace heed {
namespace {

class Draw {
 public:
  explicit Draw(unsigned seed) : random_(seed) {}
  int64_t below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }
  bool chance(int64_t one_in) { return below(one_in) == 0; }

 private:
  std::mt19937 random_;
};

/// Cut in two or three along a dimension, each part perhaps cut again: as heads, as queries, keys
/// and values.
void cut(Draw& draw, const Tensor& x, int depth, std::vector<Tensor>& parts) {
  const int dim = static_cast<int>(draw.below(x.rank()));
  if (depth == 0 || x.size(dim) < 2 || draw.chance(3)) return parts.push_back(x);
  const int64_t at = 1 + draw.below(x.size(dim) - 1);
  cut(draw, x.slice(dim, 0, at), depth - 1, parts);
  cut(draw, x.slice(dim, at, x.size(dim)), depth - 1, parts);
}

Tensor spoilt(Draw& draw, const Tensor& x) {
  const int dim = static_cast<int>(draw.below(x.rank()));
  if (draw.chance(2)) return x.slice(dim, 0, draw.below(x.size(dim) + 1));
  Shape twice = x.shape();
  twice[dim] = 3;
  return x.slice(dim, 0, 1).expand(twice);
}

/// Each element of whole is in the parts so often.
std::vector<int> counts(const Tensor& whole, const std::vector<Tensor>& parts) {
  std::vector<int> counts(static_cast<size_t>(whole.numel()));
  for (const Tensor& part : parts) {
    for (int64_t i = 0; i < part.numel(); ++i) {
      int64_t at = part.data<float>() - whole.data<float>(), rest = i;
      for (int dim = part.rank() - 1; dim >= 0; --dim) {
        at += rest % part.size(dim) * part.stride(dim);
        rest /= part.size(dim);
      }
      ++counts[static_cast<size_t>(at)];
    }
  }
  return counts;
}

TEST(SharesOut, NeverSaysSoOfViewsThatLeaveOutOrShareAnElement) {
  int said = 0, once = 0;
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    Draw draw(seed);
    Shape shape;
    for (int64_t rank = 1 + draw.below(4); rank > 0; --rank) shape.push_back(1 + draw.below(4));
    const Tensor whole = Tensor::zeros(shape);
    std::vector<Tensor> parts;
    cut(draw, whole, 2, parts);
    for (Tensor& part : parts) {
      if (draw.chance(10)) part = spoilt(draw, part);
      if (draw.chance(10)) part = parts[static_cast<size_t>(draw.below(std::ssize(parts)))];
      part = part.transpose(0, static_cast<int>(draw.below(part.rank())));
      if (draw.chance(4)) part = part.unsqueeze(static_cast<int>(draw.below(part.rank())));
    }
    if (draw.chance(10)) parts.pop_back();
    if (!parts.empty()) std::swap(parts.front(), parts.back());
    const bool exact = counts(whole, parts) == std::vector<int>(counts(whole, {whole}).size(), 1);
    const bool says = shares_out(whole, parts);
    EXPECT_TRUE(exact || !says) << to_string(shape) << ", seed " << seed;
    said += says;
    once += exact;
  }
  EXPECT_GT(said, 5000);
  EXPECT_GE(once, said);
}

}  // namespace
}  // namespace heed
