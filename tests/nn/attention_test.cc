#include "heed/nn/attention.h"

#include <gtest/gtest.h>

#include "heed/base/parallel.h"
#include "heed/nn/torch_mask.h"
#include "tests/expect_error.h"
#include "tests/golden.h"

namespace heed {
namespace {

using testing::expect_close;
using testing::expect_same_bits;
using testing::Golden;

// Values are sums of about 12 products of numbers near 1, twice: some 20 roundings of 6e-8.
constexpr double kTolerance = 5e-6;
constexpr int64_t kWidth = 12, kHeads = 3;

AttentionWeights weights_of(const Golden& golden, const std::string& module) {
  AttentionWeights::TorchNames names{.width = kWidth, .bias = module != "no_bias"};
  if (module == "widths") {
    names.key_width = 10;
    names.value_width = 9;
  }
  AttentionWeights weights =
      AttentionWeights::from_torch(golden.params() / "attention" / module, names);
  weights.zero_key = module == "zero_attn" || module == "both_extra";
  return weights;
}

AttentionInputs inputs_from(const std::string& name) {
  if (name == "self") return AttentionInputs::self;
  return name == "memory" ? AttentionInputs::memory : AttentionInputs::separate;
}

struct Inputs {
  Tensor query, key, value;
  Inputs(const Golden& golden, const std::string& prefix, AttentionInputs kind)
      : query(golden[prefix + ".query"]),
        key(golden[prefix + ".key"]),
        value(golden[prefix + ".value"]) {
    if (kind == AttentionInputs::self) key = query;
    if (kind != AttentionInputs::separate) value = key;
  }
};

Mask mask_of(const Golden& golden, const Json& entry, const std::string& name) {
  return torch_mask({.key_padding_mask = golden.maybe(name + ".key_padding_mask"),
                     .attn_mask = golden.maybe(name + ".attn_mask"),
                     .is_causal = entry["causal"].get<bool>(),
                     .heads = kHeads});
}

TEST(MultiHeadAttention, EqualsTorchWithEveryMask) {
  const Golden golden("nn.safetensors");
  const Json cases = golden.metadata("cases")["attention"];
  ASSERT_GE(cases.size(), 60u);
  for (const Json& entry : cases) {
    const auto name = entry["case"].get<std::string>();
    const auto module = entry["module"].get<std::string>();
    const auto inputs = entry["inputs"].get<std::string>();
    const AttentionInputs kind = inputs_from(inputs);
    const MultiHeadAttention attend(weights_of(golden, module), kHeads, kind);
    const Inputs given(golden, "attention." + module + "." + inputs, kind);
    const Mask mask = mask_of(golden, entry, name);
    const auto result = attend.with_weights(given.query, given.key, given.value, mask);
    expect_close(result.y, golden[name + ".y"], kTolerance, name);
    expect_close(result.weights, golden[name + ".weights"], kTolerance, name);
    expect_close(mean_over_heads(result.weights), golden[name + ".averaged"], kTolerance, name);
    if (kind == AttentionInputs::self) {
      expect_same_bits(attend(given.query, mask), result.y, name);
    } else if (kind == AttentionInputs::memory) {
      expect_same_bits(attend(given.query, given.key, mask), result.y, name);
    }
  }
}

/// Takes everything there is to take.
class Curious : public Observer {
 public:
  AttentionWant wants(int, std::string_view kind) override {
    kinds.emplace_back(kind);
    return {.lse = true, .weights = true, .scores = true};
  }
  void attention(int layer, std::string_view, const AttentionOutputs& outputs) override {
    layers.push_back(layer);
    weights = outputs.weights;
  }
  std::vector<std::string> kinds;
  std::vector<int> layers;
  Tensor weights;
};

TEST(MultiHeadAttention, WatchingChangesNoBit) {
  const Golden golden("nn.safetensors");
  const MultiHeadAttention attend(weights_of(golden, "plain"), kHeads);
  const Tensor x = golden["attention.plain.self.query"];
  Curious observer;
  expect_same_bits(attend(x, {}, {.observer = &observer, .layer = 4}), attend(x), "watched");
  EXPECT_EQ(observer.kinds, std::vector<std::string>{"self"});
  EXPECT_EQ(observer.layers, std::vector<int>{4});
  expect_close(observer.weights, golden["attention.plain.self.none.weights"], kTolerance, "seen");
}

/// Wants a report and the values' norms, and weights only if told.
class Reporter : public Observer {
 public:
  explicit Reporter(bool with_weights) : with_weights_(with_weights) {}
  AttentionWant wants(int, std::string_view) override { return {.weights = with_weights_}; }
  void attention(int, std::string_view, const AttentionOutputs& outputs) override {
    weights = outputs.weights;
  }
  std::optional<AttentionReportWant> wants_report(int, std::string_view) override {
    return AttentionReportWant{.max = true};
  }
  void report(int, std::string_view, const AttentionReport& report,
              const AttentionRun& run) override {
    max = report.max;
    lse = run.lse;
  }
  bool wants_value_norms(int, std::string_view) override { return true; }
  void value_norms(int, std::string_view, const Tensor& seen) override { norms = seen; }
  Tensor weights, max, lse, norms;

 private:
  bool with_weights_;
};

TEST(MultiHeadAttention, ReportsChangeNoBitAndMakeNoWeights) {
  const Golden golden("nn.safetensors");
  const MultiHeadAttention attend(weights_of(golden, "plain"), kHeads);
  const Tensor x = golden["attention.plain.self.query"];
  Reporter alone(false), both(true);
  expect_same_bits(attend(x, {}, {.observer = &alone}), attend(x), "reported");
  expect_same_bits(attend(x, {}, {.observer = &both}), attend(x), "reported, with weights");
  EXPECT_FALSE(alone.weights);
  expect_close(both.weights, golden["attention.plain.self.none.weights"], kTolerance, "weights");
  expect_same_bits(alone.max, both.max, "max");
  EXPECT_EQ(alone.lse.shape(), alone.max.shape());
}

TEST(MultiHeadAttention, ValueNormsAreThoseOfTheOutputProductsParts) {
  const Golden golden("nn.safetensors");
  const AttentionWeights weights = weights_of(golden, "plain");
  const MultiHeadAttention attend(weights, kHeads);
  const Tensor x = golden["attention.plain.self.query"];
  Reporter seen(false);
  attend(x, {}, {.observer = &seen});
  const int64_t width = x.size(2), size = width / kHeads;
  ASSERT_EQ(seen.norms.shape(), (Shape{x.size(0), kHeads, x.size(1)}));
  for (int64_t h = 0; h < kHeads; ++h) {
    std::vector<double> v(static_cast<size_t>(size));  // of the last token of row 0
    for (int64_t d = 0; d < size; ++d) {
      double sum = weights.value.bias.at({h * size + d});
      for (int64_t c = 0; c < width; ++c) {
        sum += static_cast<double>(weights.value.weight.at({h * size + d, c})) *
               x.at({0, x.size(1) - 1, c});
      }
      v[static_cast<size_t>(d)] = sum;
    }
    double squares = 0;
    for (int64_t n = 0; n < width; ++n) {
      double sum = 0;
      for (int64_t d = 0; d < size; ++d) {
        sum += v[static_cast<size_t>(d)] * weights.output.weight.at({n, h * size + d});
      }
      squares += sum * sum;
    }
    EXPECT_NEAR(seen.norms.at({0, h, x.size(1) - 1}), std::sqrt(squares), 1e-5);
  }
}

TEST(MultiHeadAttention, ThreadsChangeNoBit) {
  const Golden golden("nn.safetensors");
  const MultiHeadAttention attend(weights_of(golden, "plain"), kHeads);
  const Tensor x = golden["attention.plain.self.query"];
  const Tensor y = attend(x);
  const int before = num_threads();
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    expect_same_bits(attend(x), y, std::to_string(threads) + " threads");
  }
  set_num_threads(before);
}

TEST(MultiHeadAttention, AQueryThatSeesNothingGivesTheOutputBias) {
  const Golden golden("nn.safetensors");
  const AttentionWeights weights = weights_of(golden, "plain");
  const MultiHeadAttention attend(weights, kHeads);
  const Tensor x = golden["attention.plain.self.query"];
  const Tensor hidden = Tensor::zeros({1, 1, 1, x.size(1)}, DType::boolean);
  const auto result = attend.with_weights(x, x, x, Mask::boolean(hidden));
  expect_close(result.y, weights.output.bias.expand(x.shape()), 0, "y");
  expect_close(result.weights, Tensor::zeros(result.weights.shape()), 0, "weights");
}

TEST(MultiHeadAttention, BadInputIsNamed) {
  const Golden golden("nn.safetensors");
  const AttentionWeights weights = weights_of(golden, "plain");
  expect_error(ErrorCode::invalid_argument, {"width 12", "5 heads"},
               [&] { MultiHeadAttention(weights, 5); });
  const MultiHeadAttention attend(weights, kHeads);
  const Tensor x = golden["attention.plain.self.query"];
  expect_error(ErrorCode::invalid_argument, {"separate"}, [&] { attend(x, x.clone()); });
  expect_error(ErrorCode::invalid_argument, {"query must be"}, [&] { attend(x.select(0, 0)); });
  expect_error(ErrorCode::invalid_argument, {"attn_mask", "[2]"},
               [&] { torch_mask({.attn_mask = Tensor::zeros({2})}); });
  expect_error(ErrorCode::invalid_argument, {"key_padding_mask", "i32"}, [&] {
    torch_mask({.key_padding_mask = Tensor::zeros({2, 2}, DType::i32)});
  });
}

}  // namespace
}  // namespace heed
