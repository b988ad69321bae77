#include "heed/nn/attend.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "heed/base/error.h"
#include "heed/ops/reduce.h"

namespace heed {
namespace {

/// Keys and values of a run: given, or a cache's.
struct Keys {
  Tensor k;                      // [B, G, S, D]
  Tensor v;                      // [B, G, S, E]
  std::optional<KvPages> pages;  // of all tokens; k and v are the new ones' then, if there are any

  /// f(keys and values as attention takes them).
  template <class F>
  auto in(const F& f) const {
    return pages ? f(*pages) : f(k, v);
  }
};

/// v [B, G, S, E] -> [B, H, S]. The packed output product has no part for a head alone: the other
/// heads' values are zeros, and its bias is taken off again.
Tensor value_norms(const Tensor& v, int64_t heads, const Linear& output) {
  const int64_t batch = v.size(0), keys = v.size(2), size = v.size(3), width = heads * size;
  const int64_t shared_by = heads / v.size(1);
  const Tensor bias = output(Tensor::zeros({1, width}));  // [1, C]
  const Tensor norms = Tensor::empty({batch, heads, keys});
  for (int64_t h = 0; h < heads; ++h) {
    const Tensor alone = Tensor::zeros({batch, keys, width});
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t s = 0; s < keys; ++s) {
        std::copy_n(&v.at({b, h / shared_by, s, 0}), size, &alone.at({b, s, h * size}));
      }
    }
    const Tensor product = output(alone);  // [B, S, C]
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t s = 0; s < keys; ++s) {
        double squares = 0;
        for (int64_t c = 0; c < product.size(2); ++c) {
          const double x = product.at({b, s, c}) - bias.at({0, c});
          squares += x * x;
        }
        norms.at({b, h, s}) = static_cast<float>(std::sqrt(squares));
      }
    }
  }
  return norms;
}

/// A page a row: the values [B, G, S, E] of the rows.
Tensor values_of(const KvPages& kept) {
  std::vector<Tensor> rows;
  for (int64_t b = 0; b < kept.table.size(0); ++b) {
    const int64_t page = kept.table.at<int32_t>({b, 0});
    rows.push_back(kept.v.slice(0, page, page + 1));
  }
  return concatenate(rows, 0);
}

/// attention()'s y, bit for bit, however much the observer wants to see.
Tensor watched(const Tensor& q, const Keys& keys, const AttentionOptions& options,
               const Linear& output, std::string_view kind, const Run& run) {
  Observer& observer = *run.observer;
  if (observer.wants_value_norms(run.layer, kind)) {
    observer.value_norms(run.layer, kind,
                         value_norms(keys.v ? keys.v : values_of(*keys.pages), q.size(1), output));
  }
  const AttentionWant want = observer.wants(run.layer, kind);
  if (const auto wanted = observer.wants_report(run.layer, kind)) {
    const AttentionReport report =
        keys.in([&](const auto&... all) { return attention_report(q, all..., options, *wanted); });
    observer.report(run.layer, kind, report,
                    {q, keys.pages ? Tensor() : keys.k, report.lse, options});
    if (!want.lse && !want.weights && !want.scores) return report.y;
  }
  const AttentionOutputs outputs =
      keys.in([&](const auto&... all) { return attention_outputs(q, all..., options, want); });
  observer.attention(run.layer, kind, outputs);
  return outputs.y;
}

Tensor attend(const Tensor& q, const Keys& keys, const AttentionOptions& options,
              const Linear& output, std::string_view kind, const Run& run) {
  const Tensor y =  // [B, H, T, E]
      run.observer != nullptr
          ? watched(q, keys, options, output, kind, run)
          : keys.in([&](const auto&... all) { return attention(q, all..., options); });
  return output(merge_heads(y));
}

}  // namespace

Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
              const Linear& output, std::string_view kind, const Run& run) {
  Keys keys{k, v, std::nullopt};
  if (run.cache != nullptr && kind == "self") {
    HEED_ASSERT(run.training == nullptr);
    keys.pages = run.cache->put(run.layer, k, v);
  }
  return attend(q, keys, options, output, kind, run);
}

Tensor attend(const Tensor& q, const KvPages& kept, const AttentionOptions& options,
              const Linear& output, std::string_view kind, const Run& run) {
  return attend(q, Keys{Tensor(), Tensor(), kept}, options, output, kind, run);
}

Tensor merge_heads(const Tensor& y) {
  const Tensor rows = y.transpose(1, 2);  // [B, T, H, E]
  return rows.reshape({rows.size(0), rows.size(1), rows.size(2) * rows.size(3)});
}

Mask causal_mask(const Run& run) {
  if (run.cache == nullptr) return Mask::causal(Align::top_left);
  return Mask::causal(run.cache->before()) & Mask::padding(run.cache->after());
}

}  // namespace heed
