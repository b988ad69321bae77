#include "heed/lessons/attention_walk.h"

#include <fmt/format.h>

#include <cmath>

#include "heed/base/error.h"
#include "heed/lessons/arithmetic.h"
#include "heed/lessons/step_list.h"
#include "heed/ops/linear.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

using namespace lessons_internal;

constexpr const char* kOperation = "explain attention";

void check_heads(int64_t heads, std::string_view what, int64_t width) {
  if (heads >= 1 && width % heads == 0) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: {} heads must divide the width of the {}, which is {}", kOperation,
                          heads, what, width));
}

const AttentionWalk& check_size(const AttentionWalk& given) {
  const Tensor& x = given.x;
  if (x.rank() == 2 && x.size(0) >= 1 && x.size(1) >= 1 && x.size(0) <= kMaxWalkTokens)
    return given;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: x must be [T, C] with 1 to {} rows and at least one column, but is "
                          "{}",
                          kOperation, kMaxWalkTokens, to_string(x.shape())));
}

void check_scores(const Tensor& raw) {
  for (const float score : raw.span<float>()) {
    if (std::isfinite(score)) continue;
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: needed numbers whose products fit f32 (up to 3.4e38), found a "
                            "score of {}; scale the input down",
                            kOperation, score));
  }
}

// The walk of one problem: what all steps share.
class Walk {
 public:
  explicit Walk(const AttentionWalk& given)
      : given_(check_size(given)),
        words_(given.words.empty() ? numbered("x", given.x.size(0)) : given.words),
        features_(given.features.empty() ? numbered("", given.x.size(1)) : given.features),
        table_(steps_, words_) {
    Dims dims(kOperation);
    dims.bind("x", given.x, "T C", DType::f32);
    if (given.w_query) dims.bind("W_q", given.w_query, "C D", DType::f32);
    if (given.w_key) dims.bind("W_k", given.w_key, "C D", DType::f32);
    if (given.w_value) dims.bind("W_v", given.w_value, "C E", DType::f32);
    q_ = given.w_query ? matmul(given.x, given.w_query) : given.x;
    k_ = given.w_key ? matmul(given.x, given.w_key) : given.x;
    v_ = given.w_value ? matmul(given.x, given.w_value) : given.x;
    Dims(kOperation).bind("Q", q_, "T D").bind("K", k_, "S D");
    check_heads(given.heads, "queries and keys", q_.size(1));
    check_heads(given.heads, "values", v_.size(1));
  }

  std::vector<Step> steps() {
    table_("x", "X, one row a word", "T C", given_.x, features_,
           fmt::format("{} vectors of {} numbers.", given_.x.size(0), given_.x.size(1)));
    add_product("queries", "Q = X W_q", 'q', "T D", given_.w_query, q_, "What each row asks for");
    add_product("keys", "K = X W_k", 'k', "S D", given_.w_key, k_, "What each row answers to");
    add_product("values", "V = X W_v", 'v', "S E", given_.w_value, v_, "What each row passes on");
    add_heads();
    return std::move(steps_);
  }

 private:
  void add_product(std::string name, std::string formula, char letter, const char* letters,
                   const Tensor& weight, const Tensor& product, std::string_view what) {
    if (!weight) {
      formula = fmt::format("{} = X", formula[0]);
      table_(std::move(name), std::move(formula), letters, product, features_,
             fmt::format("{}. No matrix is given, so it is the row itself.", what));
      return;
    }
    const Labels columns = numbered(std::string(1, letter), weight.size(1));
    table_(fmt::format("W_{}", letter), fmt::format("W_{}, given", letter), "C D", weight,
           features_, columns,
           fmt::format("{} numbers in, {} out.", weight.size(0), weight.size(1)));
    table_(std::move(name), std::move(formula), letters, product, columns,
           fmt::format("{}.", what));
  }

  void add_heads() {
    const int64_t heads = given_.heads;
    const Tensor q = split_heads(q_, heads);
    const Tensor k = split_heads(k_, heads);
    const Tensor v = split_heads(v_, heads);
    const AttentionWant want = {.weights = true, .scores = true};
    const AttentionOutputs raw = attention_outputs(q, k, v, {.scale = 1.0f}, want);
    check_scores(raw.scores);
    const AttentionOptions options = {
        .scale = given_.scale, .mask = given_.causal ? Mask::causal(Align::top_left) : Mask()};
    const AttentionOutputs found = attention_outputs(q, k, v, options, want);
    for (int64_t h = 0; h < heads; ++h) {
      const std::string head = heads == 1 ? "" : fmt::format("head {}: ", h + 1);
      const auto of_head = [h](const Tensor& all) { return all.select(0, 0).select(0, h); };
      add_head(head, of_head(raw.scores), of_head(found.scores), of_head(found.weights));
    }
    const int64_t width = v_.size(1);
    const Tensor y = found.y.transpose(1, 2).reshape({v_.size(0), width});
    table_("output", heads == 1 ? "Y = A V" : "Y = [A_1 V_1, A_2 V_2, ...], side by side", "T E", y,
           given_.w_value ? numbered("y", width) : features_,
           "Each row is a blend of the values, by its row of weights.");
  }

  void add_head(const std::string& head, const Tensor& raw, const Tensor& scores,
                const Tensor& weights) {
    table_(head + "raw scores", "Q K^T", "T S", raw, words_,
           "Row: who looks. Column: who is looked at. Vectors that point the same way score high.");
    if (!head.empty()) steps_.back().section = head.substr(0, head.size() - 2);
    const int64_t head_dim = q_.size(1) / given_.heads;
    const float factor = given_.scale.value_or(1 / std::sqrt(static_cast<float>(head_dim)));
    table_(head + "scores",
           fmt::format("S = Q K^T x {:.6g}{}", factor,
                       given_.causal ? ", -inf where a key comes later" : ""),
           "T S", scores, words_,
           given_.scale ? "The scale is the one given."
                        : fmt::format("The scale is 1 / sqrt({}).", q_.size(1) / given_.heads));
    table_(head + "weights", "A = softmax(S), row by row", "T S", weights, words_,
           strongest(weights));
    steps_.back().heat_map = true;
  }

  std::string strongest(const Tensor& weights) const {
    float best = -1;
    int64_t from = 0;
    int64_t to = 0;
    // the first row of a causal walk has no choice
    for (int64_t t = given_.causal && weights.size(0) > 1 ? 1 : 0; t < weights.size(0); ++t) {
      const int64_t s = largest(weights.select(0, t));
      if (weights.at({t, s}) > best) {
        best = weights.at({t, s});
        from = t;
        to = s;
      }
    }
    return fmt::format("Each row sums to 1. The strongest look: {} at {}, {:.4f}.",
                       words_[static_cast<size_t>(from)], words_[static_cast<size_t>(to)], best);
  }

  const AttentionWalk& given_;
  Labels words_;
  Labels features_;
  Tensor q_;
  Tensor k_;
  Tensor v_;
  std::vector<Step> steps_;
  StepList table_;
};

}  // namespace

std::vector<Step> walk_attention(const AttentionWalk& given) { return Walk(given).steps(); }

}  // namespace heed
