#include "heed/lens/diverge.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/error.h"

namespace heed {

Tensor diverging(const Look& a, const Look& b) {
  if (a.tokens() != b.tokens() || a.keys() != b.keys()) {
    const auto sizes = [](const Look& look) {
      return look.source ? fmt::format("{} looking at {}", look.tokens(), look.keys())
                         : fmt::format("{}", look.tokens());
    };
    throw Error(ErrorCode::invalid_argument,
                fmt::format("look: to compare them, two {} of as many tokens are needed, found {} "
                            "and {}; heed tokens shows them",
                            a.source ? "pairs" : "texts", sizes(a), sizes(b)));
  }
  HEED_ASSERT(std::ssize(a.runs) == a.layers() && a.runs.size() == b.runs.size());
  const Tensor out = Tensor::empty({a.layers(), a.heads(), a.tokens()});
  for (int64_t layer = 0; layer < a.layers(); ++layer) {
    const auto at = static_cast<size_t>(layer);
    const AttentionDivergence divergence = attention_divergence(a.runs[at], b.runs[at]);
    const Tensor rows = divergence.jensen_shannon.contiguous();
    std::ranges::copy(rows.span<const float>(), out.select(0, layer).data<float>());
  }
  return out;
}

}  // namespace heed
