#include "heed/tasks/forward_pair.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "heed/models/registry.h"
#include "tests/expect_error.h"
#include "tests/golden_rows.h"
#include "tests/interrupted.h"

namespace heed {
namespace {

using testing::expect_close;
using testing::expect_same_bits;
using testing::Golden;
using testing::golden_folder;
using testing::Rows;
using testing::rows_of;

const std::vector<std::string> kEverything = {"encoder_last_hidden_state",
                                              "encoder_hidden_states",
                                              "encoder_attentions",
                                              "last_hidden_state",
                                              "logits",
                                              "decoder_hidden_states",
                                              "decoder_attentions",
                                              "cross_attentions"};

struct Case {
  explicit Case(const std::string& name)
      : model(load_encoder_decoder(golden_folder() / name)),
        expected(name + "/expected.safetensors"),
        lengths(testing::lengths_of(expected)) {
    request.ids = rows_of(expected["input_ids"], lengths);
    request.want = kEverything;
    decoder_ids = rows_of(expected["decoder_ids"], {7, 3, 5});
  }

  std::map<std::string, Tensor> run() const {
    const auto arrays = forward(*model, request, decoder_ids);
    return {arrays.begin(), arrays.end()};
  }

  std::shared_ptr<const EncoderDecoder> model;
  Golden expected;
  std::vector<int64_t> lengths;
  ForwardRequest request;
  Rows decoder_ids;
};

TEST(ForwardPair, GivesWhatTransformersGives) {
  for (const char* name : {"t5_relu", "t5_gated", "bart", "mbart", "marian_apart", "pegasus"}) {
    Case one(name);
    one.request.batch = 2;
    const auto arrays = one.run();
    for (int64_t b = 0; b < 3; ++b) {
      const int64_t source = one.lengths[static_cast<size_t>(b)];
      const int64_t target = std::ssize(one.decoder_ids[static_cast<size_t>(b)]);
      const auto expect = [&](const char* which, int row_dim, double tolerance, const auto& cut) {
        expect_close(cut(arrays.at(which).select(row_dim, b)),
                     cut(one.expected[which].select(row_dim, b)), tolerance,
                     fmt::format("{} {} row {}", name, which, b));
      };
      const auto at = [](int dim, int64_t length) {
        return [=](const Tensor& x) { return x.slice(dim, 0, length); };
      };
      const auto both = [](int64_t queries, int64_t keys) {
        return [=](const Tensor& x) { return x.slice(2, 0, queries).slice(3, 0, keys); };
      };
      expect("encoder_hidden_states", 1, 5e-5, at(1, source));
      expect("decoder_hidden_states", 1, 5e-5, at(1, target));
      expect("logits", 0, 1e-4, at(0, target));
      expect("encoder_attentions", 1, 1e-5, both(source, source));
      expect("decoder_attentions", 1, 1e-5, both(target, target));
      expect("cross_attentions", 1, 1e-5, both(target, source));
    }
    const int64_t last = one.model->facts().decoder_layers;
    expect_same_bits(arrays.at("last_hidden_state"),
                     arrays.at("decoder_hidden_states").select(0, last), name);
    EXPECT_EQ(arrays.at("decoder_attention_mask").at<int64_t>({1, 3}), 0);
  }
}

TEST(ForwardPair, TheSideOfThePaddingMovesValues) {
  Case one("t5_relu");
  const auto right = one.run();
  one.request.pad_side = PadSide::left;
  const auto left = one.run();
  for (int64_t b = 0; b < 3; ++b) {
    const int64_t source = one.lengths[static_cast<size_t>(b)];
    const int64_t target = std::ssize(one.decoder_ids[static_cast<size_t>(b)]);
    expect_same_bits(
        left.at("cross_attentions").select(1, b).slice(2, 7 - target, 7).slice(3, 11 - source, 11),
        right.at("cross_attentions").select(1, b).slice(2, 0, target).slice(3, 0, source),
        "weights");
    expect_same_bits(left.at("logits").select(0, b).slice(0, 7 - target, 7),
                     right.at("logits").select(0, b).slice(0, 0, target), "logits");
  }
}

TEST(ForwardPair, TheEncoderAloneNeedsNoDecoderIds) {
  Case one("bart");
  one.decoder_ids.clear();
  one.request.want = {"encoder_last_hidden_state"};
  const auto arrays = one.run();
  EXPECT_EQ(arrays.count("decoder_input_ids"), 0u);
  EXPECT_EQ(to_string(arrays.at("encoder_last_hidden_state").shape()), "[3, 11, 12]");
  one.request.want = {"logits"};
  expect_error(ErrorCode::invalid_argument, {"logits", "--decoder-ids"}, [&] { one.run(); });
}

TEST(ForwardPair, WhatIsNotThereIsNamed) {
  Case one("bart");
  one.request.want = {"hidden_states"};
  expect_error(ErrorCode::unsupported, {"hidden_states", "decoder_hidden_states"},
               [&] { one.run(); });
  one.request.want = {"states"};
  expect_error(ErrorCode::invalid_argument, {"'states'"}, [&] { one.run(); });
  one.request.want = {"logits"};
  one.decoder_ids.pop_back();
  expect_error(ErrorCode::invalid_argument, {"3 rows", "found 2"}, [&] { one.run(); });
  const Case recurrent = [] {
    Case other("bart");
    other.model = load_encoder_decoder(golden_folder() / "recurrent_gru");
    other.request.want = {"decoder_hidden_states"};
    for (auto& row : other.request.ids) row = {1, 2, 3};
    for (auto& row : other.decoder_ids) row = {1, 2};
    return other;
  }();
  expect_error(ErrorCode::unsupported, {"recurrent", "logits"}, [&] { recurrent.run(); });
}

TEST(ForwardPair, IsInterruptedBetweenBlocksAsOfOneTextIs) {
  Case one("bart");
  one.model = std::make_shared<testing::InterruptedPair>(one.model);
  expect_error(ErrorCode::cancelled, {}, [&] { one.run(); });
  clear_cancel();
  const testing::Interrupted alone(load_causal_model(golden_folder() / "gpt2_2x5"));
  ForwardRequest request;
  request.ids = {{1, 2, 3}};
  expect_error(ErrorCode::cancelled, {}, [&] { forward(alone, request); });
  clear_cancel();
}

}  // namespace
}  // namespace heed
