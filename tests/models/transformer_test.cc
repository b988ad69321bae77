#include "heed/models/transformer.h"

#include <gtest/gtest.h>

#include "tests/expect_error.h"
#include "tests/models/changed_config.h"
#include "tests/models/pair_case.h"

namespace heed {
namespace {

using testing::expect_close;
using testing::expect_same_bits;
using testing::PairCase;

// Pre-norm sums reach 10, after some 100 roundings of 6e-8 each.
constexpr double kTolerance = 2e-5;

const std::vector<std::string> kTransformers = {"transformer_2x6", "transformer_3x7",
                                                "transformer_1x12"};

TEST(Transformer, EqualsTorchWithMasksAndPadding) {
  for (const std::string& name : kTransformers) {
    const PairCase one(name);
    const Memory memory = one.model->encode(one.source);
    for (int64_t b = 0; b < one.target.size(0); ++b) {
      const int64_t length = one.source.lengths[static_cast<size_t>(b)];
      expect_close(memory.states.select(0, b).slice(0, 0, length),
                   one.expected["memory"].select(0, b).slice(0, 0, length), kTolerance, name);
    }
    const Tensor states = one.model->decode(one.target, memory);
    expect_close(states, one.expected["states"], kTolerance, name);
    expect_close(one.model->logits(states), one.expected["logits"], 1e-4, name);
    EXPECT_EQ(one.model->output_weight().size(0), one.model->facts().target_vocab);
  }
}

TEST(Transformer, RunsInFewerBits) { testing::expect_bf16_runs(kTransformers); }

TEST(Transformer, BatchMatesPaddingAndLaterTokensChangeNoBit) {
  // a single query has a kernel of its own
  testing::expect_rows_alone(kTransformers, {2, 3, 5}, expect_same_bits);
}

TEST(Transformer, ARepeatedMemoryIsAMemoryOfManyRows) {
  const PairCase one("transformer_2x6");
  Memory memory = one.model->encode(one.row(0));
  memory.lengths = {5};
  const Tensor alone = one.model->decode(one.target.slice(0, 1, 2).contiguous(), memory);
  const Tensor together = one.model->decode(one.target, memory.rows({0, 0, 0}));
  expect_same_bits(together.slice(0, 1, 2), alone, "row 1");
}

TEST(Transformer, BadInputIsNamed) {
  const PairCase one("transformer_3x7");  // 24 positions, 23 words on one side, 19 on the other
  const auto encode = [&](const std::vector<std::vector<int32_t>>& rows) {
    return one.model->encode(EncoderInput::from_rows(rows));
  };
  const Memory memory = encode({{1, 22}});
  const auto decode = [&](const std::vector<int32_t>& ids) {
    one.model->decode(Tensor::from(ids, {1, static_cast<int64_t>(ids.size())}), memory);
  };
  constexpr auto kInvalid = ErrorCode::invalid_argument;
  const std::vector<int32_t> long_text(25, 1);
  expect_error(kInvalid, {"25 tokens", "24 positions"}, [&] { encode({long_text}); });
  expect_error(kInvalid, {"25 tokens", "24 positions"}, [&] { decode(long_text); });
  expect_error(kInvalid, {"23"}, [&] { encode({{1, 23}}); });
  expect_error(kInvalid, {"19"}, [&] { decode({1, 19}); });
  EncoderInput input = EncoderInput::from_rows({{1, 2}});
  input.lengths = {3};
  expect_error(kInvalid, {"lengths"}, [&] { one.model->encode(input); });
  expect_error(kInvalid, {"target ids must be [B=2"}, [&] {
    one.model->decode(Tensor::zeros({1, 3}, DType::i32), encode({{1}, {2}}));
  });
}

void expect_refused(ErrorCode code, const char* field, const Json& value,
                    std::initializer_list<std::string_view> parts) {
  testing::expect_refused("transformer_2x6", {code, field, value, parts},
                          [](const auto& folder) { load_encoder_decoder(folder); });
}

TEST(TransformerConfig, EveryFieldIsChecked) {
  constexpr auto kCorrupt = ErrorCode::corrupt_data;
  expect_refused(kCorrupt, "d_model", 13, {"d_model", "multiple", "2", "13"});
  expect_refused(kCorrupt, "vocab_size", "23", {"vocab_size", "\"23\""});
  expect_refused(kCorrupt, "target_vocab_size", 22, {"target_vocab_size", "share_embeddings"});
  expect_refused(kCorrupt, "nhead", 0, {"nhead"});
  expect_refused(kCorrupt, "num_encoder_layers", -1, {"num_encoder_layers"});
  expect_refused(kCorrupt, "num_decoder_layers", nullptr, {"num_decoder_layers", "absent"});
  expect_refused(kCorrupt, "dim_feedforward", 21, {"linear", "21", "20"});
  expect_refused(kCorrupt, "max_position_embeddings", 0, {"max_position_embeddings"});
  expect_refused(kCorrupt, "layer_norm_eps", -1, {"layer_norm_eps"});
  expect_refused(kCorrupt, "norm_first", 1, {"norm_first"});
  expect_refused(kCorrupt, "bias", "no", {"bias"});
  expect_refused(ErrorCode::not_found, "final_norm", true, {"transformer.encoder.norm.weight"});
  expect_refused(ErrorCode::not_found, "share_embeddings", false, {"source_embeddings.weight"});
  expect_refused(ErrorCode::not_found, "tie_word_embeddings", false, {"output.weight"});
  expect_refused(ErrorCode::unsupported, "activation", "mish", {"mish", "gelu"});
  expect_refused(ErrorCode::unsupported, "model_type", "longt5",
                 {"longt5", "it has: ", "recurrent", "transformer2017"});
}

}  // namespace
}  // namespace heed
