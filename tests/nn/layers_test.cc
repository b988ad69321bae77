#include <gtest/gtest.h>

#include "heed/nn/decoder_layer.h"
#include "heed/nn/embedding.h"
#include "heed/nn/encoder_layer.h"
#include "heed/nn/positions.h"
#include "tests/expect_error.h"
#include "tests/golden.h"

namespace heed {
namespace {

using testing::expect_close;
using testing::expect_same_bits;
using testing::Golden;

// Post-norm values are near 1 after some 60 roundings of 6e-8; pre-norm sums reach 10.
constexpr double kTolerance = 1e-5;

TransformerLayerConfig config_of(const Json& entry) {
  return {.width = entry["width"],
          .heads = entry["heads"],
          .feed_forward = entry["feed_forward"],
          .activation = activation_from_name(entry["activation"].get<std::string>()),
          .norm_first = entry["norm_first"],
          .bias = entry["bias"]};
}

TEST(EncoderLayer, EqualsTorch) {
  const Golden golden("nn.safetensors");
  const Json cases = golden.metadata("cases")["blocks"];
  ASSERT_EQ(cases.size(), 6u);
  for (const Json& entry : cases) {
    const auto name = "encoder." + entry["name"].get<std::string>();
    const EncoderLayer block(golden.params() / name, config_of(entry));
    const Tensor x = golden[name + ".x"];
    expect_close(block(x), golden[name + ".y"], kTolerance, name);
    const Mask padding = Mask::padding(entry["lengths"].get<std::vector<int64_t>>());
    expect_close(block(x, padding), golden[name + ".y_padded"], kTolerance, name + " padded");
  }
}

TEST(DecoderLayer, EqualsTorch) {
  const Golden golden("nn.safetensors");
  const Json cases = golden.metadata("cases")["blocks"];
  ASSERT_EQ(cases.size(), 6u);
  for (const Json& entry : cases) {
    const auto name = "decoder." + entry["name"].get<std::string>();
    const DecoderLayer block(golden.params() / name, config_of(entry));
    const Mask padding = Mask::padding(entry["lengths"].get<std::vector<int64_t>>());
    const Tensor y = block(golden[name + ".x"], golden[name + ".memory"],
                           Mask::causal(Align::top_left), padding);
    expect_close(y, golden[name + ".y"], kTolerance, name);
  }
}

TEST(Positions, SinusoidsEqualTheListing) {
  const Golden golden("nn.safetensors");
  expect_close(sinusoidal_positions(9, 16), golden["sinusoid.even"], 1e-7, "even width");
  expect_close(sinusoidal_positions(9, 7), golden["sinusoid.odd"], 1e-7, "odd width");
  const Tensor far = sinusoidal_positions(100001, 8).slice(0, 100000, 100001);
  expect_close(far, golden["sinusoid.far"], 1e-7, "position 100,000");
}

TEST(Positions, MoreThanThereAreIsAnError) {
  const Params params = Params::from({{"weight", Tensor::from({1, 2, 3, 4, 5, 6}, {3, 2})}});
  const LearnedPositions positions(params, 3, 2);
  expect_same_bits(positions(2), Tensor::from({1, 2, 3, 4}, {2, 2}), "two");
  expect_error(ErrorCode::invalid_argument, {"4 tokens", "3 positions"}, [&] { positions(4); });
}

TEST(LayerNorm, TakesASumWithoutAddingItFirst) {
  const Params params = Params::from(
      {{"gamma", Tensor::from({1, 2, 3}, {3})}, {"beta", Tensor::from({0, 1, 2}, {3})}});
  const LayerNorm norm(params, 3, 1e-5f);
  const Tensor x = Tensor::from({1, 5, 2, 0, 3, 1}, {2, 3});
  const Tensor y = Tensor::from({2, 2, 1, 7, 0, 4}, {2, 3});
  expect_same_bits(norm(x + y), norm(add(x, y)), "sum");
  const Tensor row = Tensor::from({2, 2, 1}, {3});
  expect_same_bits(norm(x + row), norm(add(x, row)), "broadcast sum");
}

}  // namespace
}  // namespace heed
