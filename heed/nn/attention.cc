#include "heed/nn/attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/nn/attend.h"
#include "heed/nn/extra_keys.h"
#include "heed/ops/real_rows.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

/// x [B, T, P * C], P projections side by side -> each [B, T, H, D], a view.
std::vector<Tensor> split(const Tensor& x, int64_t parts, int64_t heads) {
  const Tensor each = x.reshape({x.size(0), x.size(1), parts, heads, x.size(2) / (parts * heads)});
  std::vector<Tensor> result;
  for (int64_t i = 0; i < parts; ++i) result.push_back(each.select(2, i));
  return result;
}

}  // namespace

AttentionWeights AttentionWeights::from_torch(const Params& params, const TorchNames& names) {
  const int64_t width = names.width;
  const int64_t key_width = names.key_width == 0 ? width : names.key_width;
  const int64_t value_width = names.value_width == 0 ? width : names.value_width;
  AttentionWeights weights;
  LinearWeights* const parts[] = {&weights.query, &weights.key, &weights.value};
  const Tensor bias = names.bias ? params.tensor("in_proj_bias", {3 * width}) : Tensor();
  if (key_width == width && value_width == width) {
    const Tensor packed = params.tensor("in_proj_weight", {3 * width, width});
    const auto split = LinearWeights(packed, bias, params.in_place()).split(3);
    for (size_t i = 0; i < 3; ++i) *parts[i] = split[i];
  } else {
    const int64_t widths[] = {width, key_width, value_width};
    const char* const kinds[] = {"q", "k", "v"};
    for (int i = 0; i < 3; ++i) {
      *parts[i] = {params.tensor(fmt::format("{}_proj_weight", kinds[i]), {width, widths[i]}),
                   bias ? bias.slice(0, i * width, (i + 1) * width) : Tensor(), params.in_place()};
    }
  }
  weights.output = LinearWeights(params / "out_proj", width, width, names.bias);
  if (params.contains("bias_k")) {
    weights.extra_key = params.tensor("bias_k", {1, 1, width}).reshape({width});
    weights.extra_value = params.tensor("bias_v", {1, 1, width}).reshape({width});
  }
  return weights;
}

MultiHeadAttention::MultiHeadAttention(const AttentionWeights& weights, int64_t heads,
                                       AttentionInputs inputs, std::optional<float> scale,
                                       std::optional<RelativeBuckets> relative)
    : inputs_(inputs),
      heads_(heads),
      scale_(scale),
      relative_(std::move(relative)),
      output_(weights.output) {
  const LinearWeights &q = weights.query, &k = weights.key, &v = weights.value;
  const int64_t width = q.outputs();
  if (heads < 1 || width % heads != 0) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("attention: the width must be a multiple of the heads, found width {} "
                            "and {} heads",
                            width, heads));
  }
  const auto pack = [](const auto&... parts) { return Linear::stacked({parts...}); };
  switch (inputs) {
    case AttentionInputs::self:
      projections_ = {pack(q, k, v)};
      break;
    case AttentionInputs::memory:
      projections_ = {pack(q), pack(k, v)};
      break;
    case AttentionInputs::separate:
      projections_ = {pack(q), pack(k), pack(v)};
      break;
  }
  if (weights.extra_key) {
    extra_keys_.push_back(weights.extra_key.to(DType::f32));
    extra_values_.push_back(weights.extra_value.to(DType::f32));
  }
  if (weights.zero_key) {
    extra_keys_.push_back(Tensor::zeros({width}));
    extra_values_.push_back(Tensor::zeros({width}));
  }
}

Tensor MultiHeadAttention::operator()(const Tensor& x, const Mask& mask, const Run& run) const {
  return attend(project(x, x, x, mask), "self", run);
}

Tensor MultiHeadAttention::operator()(const Tensor& x, const Tensor& memory, const Mask& mask,
                                      const Run& run) const {
  if (run.cache == nullptr || inputs_ != AttentionInputs::memory || !extra_keys_.empty()) {
    return attend(project(x, memory, memory, mask), "cross", run);
  }
  const KvPages kept =
      run.cache->memory(run.layer, [&] { return memory_keys(memory, mask.lengths()); });
  const Tensor q = split(projections_[0](x), 1, heads_)[0].transpose(1, 2);  // [B, H, T, D]
  return heed::attend(q, kept, options(mask, run), output_, "cross", run);
}

/// Keys and values of memory [B, S, K], [B, H, S, D] each; after a row's length (none: all are S)
/// they are 0, and nothing is multiplied for them.
std::pair<Tensor, Tensor> MultiHeadAttention::memory_keys(
    const Tensor& memory, const std::vector<int64_t>& lengths) const {
  const int64_t batch = memory.size(0), tokens = memory.size(1);
  std::vector<int64_t> real = lengths;
  if (lengths.size() <= 1) {
    real.assign(static_cast<size_t>(batch), lengths.empty() ? tokens : lengths[0]);
  }
  const Tensor kv = projections_[1](pack_rows(memory, real));  // [1, N, 2 H D]
  const int64_t width = kv.size(2) / 2, size = width / heads_;
  std::vector<int64_t> starts{0};
  for (const int64_t length : real) starts.push_back(starts.back() + length);
  const Shape shape{batch, heads_, tokens, size};
  const std::pair made(Tensor::empty(shape), Tensor::empty(shape));
  parallel_for(batch * heads_, [&](int64_t task, int) {
    const auto b = static_cast<size_t>(task / heads_);
    const float* from = kv.data<float>() + starts[b] * kv.size(2) + task % heads_ * size;
    for (const Tensor& to : {made.first, made.second}) {
      float* row = to.data<float>() + task * tokens * size;
      for (int64_t s = 0; s < real[b]; ++s, row += size) {
        std::copy_n(from + s * kv.size(2), size, row);
      }
      std::fill_n(row, (tokens - real[b]) * size, 0.0F);
      from += width;  // the values stand beside the keys
    }
  });
  return made;
}

MultiHeadAttention::Weighted MultiHeadAttention::with_weights(const Tensor& query,
                                                              const Tensor& key,
                                                              const Tensor& value,
                                                              const Mask& mask) const {
  const Heads heads = project(query, key, value, mask);
  const AttentionOutputs outputs =
      attention_outputs(heads.q, heads.k, heads.v, options(heads.mask, {}), {.weights = true});
  return {output_(merge_heads(outputs.y)), outputs.weights};
}

/// Queries [B, T, H, D], keys and values [B, S, H, D] by as few products as the inputs allow.
std::vector<Tensor> MultiHeadAttention::products(const Tensor& query, const Tensor& key,
                                                 const Tensor& value) const {
  const Tensor* const inputs[] = {&query, &key, &value};
  const auto packs = static_cast<int64_t>(projections_.size());
  std::vector<Tensor> result;
  for (int64_t i = 0; i < packs; ++i) {
    const int64_t parts = i + 1 < packs ? 1 : 3 - i;  // the last pack holds what is left
    const Tensor product = projections_[static_cast<size_t>(i)](*inputs[i]);
    for (Tensor& part : split(product, parts, heads_)) result.push_back(std::move(part));
  }
  return result;
}

MultiHeadAttention::Heads MultiHeadAttention::project(const Tensor& query, const Tensor& key,
                                                      const Tensor& value, const Mask& mask) const {
  Dims("attention")
      .bind("query", query, "B T C")
      .bind("key", key, "B S K")
      .bind("value", value, "B S W");
  const auto same = [](const Tensor& a, const Tensor& b) { return a.raw_data() == b.raw_data(); };
  if ((inputs_ == AttentionInputs::self && !same(query, key)) ||
      (inputs_ != AttentionInputs::separate && !same(key, value))) {
    throw Error(ErrorCode::invalid_argument,
                "attention: this layer's products are packed for inputs that are one tensor, found "
                "different ones; build it with AttentionInputs::separate");
  }
  std::vector<Tensor> qkv = products(query, key, value);
  Heads heads{.mask = mask};
  if (!extra_keys_.empty()) {
    const auto extra = static_cast<int64_t>(extra_keys_.size());
    qkv[1] = append_rows(qkv[1], extra_keys_);
    qkv[2] = append_rows(qkv[2], extra_values_);
    heads.mask = widen_mask(mask, query.size(0), query.size(1), key.size(1), extra);
  }
  heads.q = qkv[0].transpose(1, 2);  // [B, H, T, D]
  heads.k = qkv[1].transpose(1, 2);  // [B, H, S, D]
  heads.v = qkv[2].transpose(1, 2);  // [B, H, S, D]
  return heads;
}

AttentionOptions MultiHeadAttention::options(const Mask& mask, const Run& run) const {
  return {.scale = scale_,
          .mask = mask,
          .relative = relative_,
          .dropout = run.dropout(&DropoutRates::attention, heads_)};
}

Tensor MultiHeadAttention::attend(const Heads& heads, std::string_view kind, const Run& run) const {
  return heed::attend(heads.q, heads.k, heads.v, options(heads.mask, run), output_, kind, run);
}

Tensor mean_over_heads(const Tensor& weights) {
  Dims dims("mean_over_heads");
  dims.bind("weights", weights, "B H T S", DType::f32);
  const int64_t heads = dims['H'], rows = dims['T'] * dims['S'];
  const Tensor each = weights.contiguous();
  Tensor mean = Tensor::zeros({dims['B'], dims['T'], dims['S']});
  for (int64_t b = 0; b < dims['B']; ++b) {
    float* to = mean.data<float>() + b * rows;
    const float* from = each.data<float>() + b * heads * rows;
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t i = 0; i < rows; ++i) to[i] += from[h * rows + i];
    }
    for (int64_t i = 0; i < rows; ++i) to[i] /= static_cast<float>(heads);
  }
  return mean;
}

}  // namespace heed
