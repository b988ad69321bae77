#include "heed/models/recurrent.h"

#include <gtest/gtest.h>

#include "tests/expect_error.h"
#include "tests/models/changed_config.h"
#include "tests/models/pair_case.h"

namespace heed {
namespace {

using testing::expect_close;
using testing::PairCase;

// States are below 1 and go through at most 9 + 5 steps of some 20 roundings of 6e-8 each.
constexpr double kTolerance = 5e-6;

const std::vector<std::string> kRecurrents = {
    "recurrent_lstm", "recurrent_gru", "recurrent_lstm_attention", "recurrent_gru_attention"};

TEST(Recurrent, EqualsTorchWithPackedSequences) {
  for (const std::string& name : kRecurrents) {
    const PairCase one(name);
    const Memory memory = one.model->encode(one.source);
    expect_close(memory.states, one.expected["memory"], kTolerance, name);
    const Tensor states = one.model->decode(one.target, memory);
    expect_close(states, one.expected["states"], kTolerance, name);
    expect_close(one.model->logits(states), one.expected["logits"], 1e-5, name);
  }
}

TEST(Recurrent, RunsInFewerBits) { testing::expect_bf16_runs(kRecurrents); }

TEST(Recurrent, BatchMatesPaddingAndLaterTokensChangeNoBit) {
  testing::expect_rows_alone(
      kRecurrents, {1, 3, 5},
      [](const Tensor& found, const Tensor& wanted, const std::string& what) {
        expect_close(found, wanted, 1e-6, what);
      });
}

TEST(Recurrent, ARepeatedMemoryIsAMemoryOfManyRows) {
  for (const std::string& name : kRecurrents) {
    const PairCase one(name);
    const Tensor ids = one.source.ids.slice(0, 1, 2).contiguous();
    const Memory memory = one.model->encode({.ids = ids, .lengths = {7}, .type_ids = {}});
    const Tensor alone = one.model->decode(one.target.slice(0, 1, 2).contiguous(), memory);
    const Tensor together = one.model->decode(one.target, memory.rows({0, 0, 0}));
    expect_close(together.slice(0, 1, 2), alone, 1e-6, name);
  }
}

class StepCounter : public Observer {
 public:
  void step() override { ++steps; }
  int64_t steps = 0;
};

TEST(Recurrent, AnObserverIsToldOfEveryStep) {
  for (const char* name : {"recurrent_lstm", "recurrent_gru_attention"}) {
    const PairCase one(name);
    StepCounter counter;
    const heed::Run run{.observer = &counter};
    const Memory memory = one.model->encode(one.source, run);
    const int64_t layers = one.model->facts().encoder_layers;
    EXPECT_EQ(counter.steps, layers * one.source.ids.size(1)) << name;
    counter.steps = 0;
    one.model->decode(one.target, memory, run);
    const bool attends = one.model->facts().decoder_heads > 0;  // its layers go on together
    EXPECT_EQ(counter.steps, (attends ? 1 : layers) * one.target.size(1)) << name;
  }
}

void expect_refused(ErrorCode code, const char* field, const Json& value,
                    std::initializer_list<std::string_view> parts) {
  testing::expect_refused("recurrent_lstm", {code, field, value, parts},
                          [](const auto& folder) { load_encoder_decoder(folder); });
}

TEST(RecurrentConfig, EveryFieldIsChecked) {
  constexpr auto kCorrupt = ErrorCode::corrupt_data;
  expect_refused(ErrorCode::unsupported, "cell", "rnn", {"cell", "rnn", "gru"});
  expect_refused(kCorrupt, "cell", "gru",
                 {"encoder.weight_ih_l0 must be [30, 10] but is [40, 10]"});
  expect_refused(kCorrupt, "attention", 1, {"attention"});
  expect_refused(kCorrupt, "attention", true, {"decoder.weight_ih_l0 must be [40, 20]"});
  expect_refused(kCorrupt, "d_model", 0, {"d_model"});
  expect_refused(kCorrupt, "num_layers", "2", {"num_layers"});
  expect_refused(ErrorCode::not_found, "num_layers", 3, {"encoder.weight_ih_l2"});
  expect_refused(kCorrupt, "vocab_size", -1, {"vocab_size"});
  expect_refused(kCorrupt, "target_vocab_size", 7, {"share_embeddings"});
  expect_refused(ErrorCode::not_found, "tie_word_embeddings", false, {"output.weight"});
}

TEST(Recurrent, BadInputIsNamed) {
  const PairCase one("recurrent_lstm");
  constexpr auto kInvalid = ErrorCode::invalid_argument;
  expect_error(kInvalid, {"23"}, [&] { one.model->encode(EncoderInput::from_rows({{1, 23}})); });
  EncoderInput input = EncoderInput::from_rows({{1, 2}});
  input.lengths = {3};
  expect_error(kInvalid, {"lengths"}, [&] { one.model->encode(input); });
}

}  // namespace
}  // namespace heed
