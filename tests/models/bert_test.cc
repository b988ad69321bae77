#include "heed/models/bert.h"

#include <gtest/gtest.h>

#include <fstream>

#include "heed/base/parallel.h"
#include "heed/models/registry.h"
#include "heed/tasks/forward.h"
#include "tests/expect_error.h"
#include "tests/golden_rows.h"
#include "tests/models/changed_config.h"

namespace heed {
namespace {

using testing::distance;
using testing::expect_close;
using testing::expect_same_bits;
using testing::Golden;
using testing::golden_folder;
using testing::lengths_of;
using testing::Rows;
using testing::rows_of;
using testing::TemporaryFolder;

// States are near 1 and pass at most 3 layers of some 100 roundings of 6e-8 each; weights are at
// most 1 and follow scores near 10.
constexpr double kStateTolerance = 2e-5;
constexpr double kWeightTolerance = 1e-5;

const std::vector<std::string> kBerts = {"bert_1x5", "bert_3x13", "bert_7x8", "bert_3x17",
                                         "bert_1x160"};

struct Case {
  explicit Case(const std::string& name)
      : encoder(load_encoder(golden_folder() / name)),
        expected(name + "/expected.safetensors"),
        ids(rows_of(expected["input_ids"], lengths_of(expected))),
        type_ids(rows_of(expected["token_type_ids"], lengths_of(expected))) {}

  ForwardRequest request() const {
    std::vector<std::string> want = {"last_hidden_state", "hidden_states", "attentions"};
    if (encoder->has_pooler()) want.emplace_back("pooler_output");
    return {.ids = ids, .type_ids = type_ids, .want = want};
  }

  std::shared_ptr<const Encoder> encoder;
  Golden expected;
  Rows ids, type_ids;
};

TEST(Bert, EqualsTransformersOnOddShapes) {
  for (const std::string& name : kBerts) {
    const Case bert(name);
    const auto arrays = forward(*bert.encoder, bert.request());
    const Tensor states = bert.expected["hidden_states"];
    expect_close(find_tensor(arrays, "hidden_states"), states, kStateTolerance, name);
    expect_close(find_tensor(arrays, "last_hidden_state"), states.select(0, states.size(0) - 1),
                 kStateTolerance, name);
    expect_close(find_tensor(arrays, "attentions"), bert.expected["attentions"], kWeightTolerance,
                 name);
    if (bert.encoder->has_pooler()) {
      expect_close(find_tensor(arrays, "pooler_output"), bert.expected["pooler_output"],
                   kStateTolerance, name);
    }
  }
}

TEST(Bert, BatchMatesPaddingAndSideChangeNoBit) {
  for (const std::string& name : kBerts) {
    const Case bert(name);
    const auto together = forward(*bert.encoder, bert.request());
    ForwardRequest left = bert.request();
    left.pad_side = PadSide::left;
    left.batch = 3;
    const auto at_right_end = forward(*bert.encoder, left);
    const Tensor states = find_tensor(together, "last_hidden_state");
    const Tensor left_states = find_tensor(at_right_end, "last_hidden_state");
    for (size_t i = bert.ids.size(); i-- > 0;) {
      const auto length = static_cast<int64_t>(bert.ids[i].size());
      const auto row = static_cast<int64_t>(i);
      ForwardRequest single = bert.request();
      single.ids = {bert.ids[i]};
      single.type_ids = {bert.type_ids[i]};
      const auto alone = forward(*bert.encoder, single);
      const Tensor state = find_tensor(alone, "last_hidden_state").select(0, 0);
      expect_same_bits(state, states.select(0, row).slice(0, 0, length), name);
      expect_same_bits(state,
                       left_states.select(0, row).slice(0, states.size(1) - length, states.size(1)),
                       name + " padded left");
      expect_same_bits(find_tensor(alone, "attentions").select(1, 0),
                       find_tensor(together, "attentions")
                           .select(1, row)
                           .slice(2, 0, length)
                           .slice(3, 0, length),
                       name + " attentions");
    }
  }
}

TEST(Bert, LookingAndThreadsChangeNoBit) {
  const int before = num_threads();
  for (const std::string& name : kBerts) {
    const Case bert(name);
    const Tensor watched = find_tensor(forward(*bert.encoder, bert.request()), "last_hidden_state");
    const EncoderInput input = EncoderInput::from_rows(bert.ids, bert.type_ids);
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      const Tensor plain = (*bert.encoder)(input);
      for (int64_t b = 0; b < plain.size(0); ++b) {
        const int64_t length = input.lengths[static_cast<size_t>(b)];
        expect_same_bits(plain.select(0, b).slice(0, 0, length),
                         watched.select(0, b).slice(0, 0, length), name);
      }
    }
    set_num_threads(before);
  }
}

TEST(Bert, ManyTextsAreTheSameInPartsAsTogether) {
  const int before = num_threads();
  set_num_threads(1);
  const Case bert("bert_3x13");
  Rows ids, type_ids;
  for (int copy = 0; copy < 100; ++copy) {
    ids.insert(ids.end(), bert.ids.begin(), bert.ids.end());
    type_ids.insert(type_ids.end(), bert.type_ids.begin(), bert.type_ids.end());
  }
  const EncoderInput input = EncoderInput::from_rows(ids, type_ids);
  ASSERT_GT(input.ids.numel(), 4096);  // a multiple of what goes through the blocks at once
  Observer watching;                   // sees the whole batch
  const Tensor together = (*bert.encoder)(input, {.observer = &watching});
  const Tensor parts = (*bert.encoder)(input);
  for (int64_t b = 0; b < parts.size(0); ++b) {
    const int64_t length = input.lengths[static_cast<size_t>(b)];
    expect_same_bits(parts.select(0, b).slice(0, 0, length),
                     together.select(0, b).slice(0, 0, length), "text " + std::to_string(b));
  }
  set_num_threads(before);
}

TEST(Bert, BadInputIsNamed) {
  const Case bert("bert_3x13");  // 11 positions, 23 words, 2 types
  const Encoder& encoder = *bert.encoder;
  const auto run = [&](const Rows& ids, const Rows& types = {}) {
    return encoder(EncoderInput::from_rows(ids, types));
  };
  expect_error(ErrorCode::invalid_argument, {"12 tokens", "11 positions"},
               [&] { run({std::vector<int32_t>(12, 1)}); });
  expect_error(ErrorCode::invalid_argument, {"23"}, [&] { run({{1, 23}}); });
  expect_error(ErrorCode::invalid_argument, {"-1"}, [&] { run({{1, -1}}); });
  expect_error(ErrorCode::invalid_argument, {"2"}, [&] { run({{1, 3}}, {{0, 2}}); });
  expect_error(ErrorCode::invalid_argument, {"row 1"}, [&] { run({{1}, {}}); });
  expect_error(ErrorCode::invalid_argument, {"type ids"}, [&] { run({{1, 2}}, {{0}}); });
  expect_error(ErrorCode::invalid_argument, {"found 0"}, [&] { run({}); });
  EncoderInput input = EncoderInput::from_rows({{1, 2}});
  input.lengths = {3};
  expect_error(ErrorCode::invalid_argument, {"lengths"}, [&] { encoder(input); });
  expect_error(ErrorCode::unsupported, {"logits"}, [&] { check_wanted(encoder, {"logits"}); });
  expect_error(ErrorCode::unsupported, {"pooler"},
               [&] { check_wanted(encoder, {"pooler_output"}); });
  expect_error(ErrorCode::invalid_argument, {"attention'"},
               [&] { check_wanted(encoder, {"attention"}); });
}

void expect_refused(ErrorCode code, const char* field, const Json& value,
                    std::initializer_list<std::string_view> parts) {
  testing::expect_refused("bert_3x13", {code, field, value, parts},
                          [](const auto& folder) { load_encoder(folder); });
}

TEST(BertConfig, EveryFieldIsChecked) {
  constexpr auto kCorrupt = ErrorCode::corrupt_data;
  expect_refused(kCorrupt, "hidden_size", "39", {"hidden_size", "integer", "\"39\""});
  expect_refused(kCorrupt, "hidden_size", 40, {"hidden_size", "multiple", "3", "40"});
  expect_refused(kCorrupt, "hidden_size", nullptr, {"hidden_size", "absent"});
  expect_refused(kCorrupt, "vocab_size", 0, {"vocab_size", "0"});
  expect_refused(kCorrupt, "vocab_size", 1e3, {"vocab_size"});
  expect_refused(kCorrupt, "vocab_size", UINT64_MAX, {"vocab_size"});
  expect_refused(kCorrupt, "num_hidden_layers", -1, {"num_hidden_layers", "-1"});
  expect_refused(kCorrupt, "num_attention_heads", 0, {"num_attention_heads"});
  expect_refused(kCorrupt, "intermediate_size", Json::array(), {"intermediate_size", "[]"});
  expect_refused(kCorrupt, "max_position_embeddings", true, {"max_position_embeddings"});
  expect_refused(kCorrupt, "type_vocab_size", 0, {"type_vocab_size"});
  expect_refused(kCorrupt, "layer_norm_eps", -1e-5, {"layer_norm_eps"});
  expect_refused(kCorrupt, "hidden_act", 3, {"hidden_act"});
  expect_refused(kCorrupt, "is_decoder", "no", {"is_decoder"});
  constexpr auto kUnsupported = ErrorCode::unsupported;
  expect_refused(kUnsupported, "hidden_act", "mish", {"mish", "gelu"});
  expect_refused(kUnsupported, "position_embedding_type", "relative_key", {"relative_key"});
  expect_refused(kUnsupported, "is_decoder", true, {"decoder"});
  expect_refused(kUnsupported, "model_type", "bloom", {"bloom", "it has: albert, bert"});
}

TEST(BertConfig, ThatDoesNotBelongToTheWeightsIsFound) {
  expect_refused(ErrorCode::corrupt_data, "vocab_size", 24,
                 {"word_embeddings.weight must be [24, 39] but is [23, 39]"});
  expect_refused(ErrorCode::corrupt_data, "intermediate_size", 51, {"must be", "51", "50"});
  expect_refused(ErrorCode::not_found, "num_hidden_layers", 3,
                 {"encoder.layer.2.attention", "encoder.layer."});
}

TEST(Registry, NeedsConfigAndWeights) {
  const TemporaryFolder empty;
  expect_error(ErrorCode::not_found, {"config.json"}, [&] { load_encoder(empty.path()); });
  std::filesystem::copy(golden_folder() / "bert_3x13" / "config.json", empty.path());
  expect_error(ErrorCode::not_found, {"safetensors"}, [&] { load_encoder(empty.path()); });
  std::ofstream(empty / "config.json") << "[1]";
  expect_error(ErrorCode::corrupt_data, {"object", "[1]"}, [&] { load_encoder(empty.path()); });
  std::ofstream(empty / "config.json") << R"({"architectures": ["T5ForConditionalGeneration"]})";
  expect_error(ErrorCode::unsupported, {"T5ForConditionalGeneration"},
               [&] { load_encoder(empty.path()); });
}

TEST(Registry, OldFilesAreKnownByTheirArchitecture) {
  const testing::ChangedGolden bert("bert_3x13", [](Json& config) { config.erase("model_type"); });
  EXPECT_EQ(load_encoder(bert.path())->facts().heads, 3);
}

}  // namespace
}  // namespace heed
