// T5, BART and the models like them against transformers (tools/make_seq2seq_goldens.py).

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "heed/models/config.h"
#include "heed/nn/positions.h"
#include "tests/expect_error.h"
#include "tests/models/changed_config.h"
#include "tests/models/pair_case.h"

namespace heed {
namespace {

using testing::distance;
using testing::expect_close;
using testing::expect_same_bits;
using testing::golden_folder;
using testing::PairCase;

// States are sums of some 100 terms below 10; T5's, which are never normed, reach 50.
constexpr double kTolerance = 5e-5;

const std::vector<std::string> kModels = {"t5_relu", "t5_gated", "mt5",          "bart",
                                          "mbart",   "marian",   "marian_apart", "pegasus"};

/// Keeps states and weights as transformers returns them.
class Keeper : public Observer {
 public:
  AttentionWant wants(int, std::string_view) override { return {.weights = true}; }
  void attention(int, std::string_view kind, const AttentionOutputs& outputs) override {
    weights[std::string(kind)].push_back(outputs.weights);
  }
  void hidden_state(int, const Tensor& state) override { states.push_back(state); }

  std::map<std::string, std::vector<Tensor>> weights;
  std::vector<Tensor> states;
};

/// found, a layer each, against expected [L, B, ...], at real tokens of the source in `sides`
/// dimensions from the second on.
void expect_layers(const PairCase& one, const std::vector<Tensor>& found, const Tensor& expected,
                   std::vector<int> cut, double tolerance, const std::string& what) {
  ASSERT_EQ(std::ssize(found), expected.size(0)) << what;
  for (int64_t layer = 0; layer < expected.size(0); ++layer) {
    for (int64_t b = 0; b < one.target.size(0); ++b) {
      Tensor ours = found[static_cast<size_t>(layer)].select(0, b);
      Tensor theirs = expected.select(0, layer).select(0, b);
      for (const int dim : cut) {
        ours = ours.slice(dim, 0, one.length(b));
        theirs = theirs.slice(dim, 0, one.length(b));
      }
      expect_close(ours, theirs, tolerance, fmt::format("{} layer {} row {}", what, layer, b));
    }
  }
}

TEST(Seq2Seq, StatesWeightsAndLogitsEqualTransformers) {
  for (const std::string& name : kModels) {
    const PairCase one(name);
    Keeper source, target;
    const Memory memory = one.model->encode(one.source, {.observer = &source});
    const Tensor states = one.model->decode(one.target, memory, {.observer = &target});
    const auto expect = [&](const std::vector<Tensor>& found, const char* which,
                            const std::vector<int>& cut, double tolerance) {
      expect_layers(one, found, one.expected[which], cut, tolerance, name + " " + which);
    };
    expect(source.states, "encoder_hidden_states", {0}, kTolerance);
    expect(source.weights["self"], "encoder_attentions", {1, 2}, 1e-5);
    expect(target.states, "decoder_hidden_states", {}, kTolerance);
    expect(target.weights["self"], "decoder_attentions", {}, 1e-5);
    expect(target.weights["cross"], "cross_attentions", {2}, 1e-5);
    expect_close(one.model->logits(states), one.expected["logits"], 1e-4, name);
    expect_same_bits(one.model->decode(one.target, one.model->encode(one.source)), states, name);
  }
}

TEST(Seq2Seq, BatchMatesPaddingAndLaterTokensChangeNoBit) {
  // a single query has a kernel of its own
  testing::expect_rows_alone(kModels, {2, 3, 5}, expect_same_bits);
}

TEST(Seq2Seq, FactsAreThoseOfTheConfiguration) {
  const EncoderDecoderFacts facts = PairCase("marian_apart").model->facts();
  EXPECT_EQ(facts.architecture, "marian");
  EXPECT_EQ(facts.source_vocab, 41);
  EXPECT_EQ(facts.target_vocab, 33);
  EXPECT_EQ(facts.encoder_layers, 1);
  EXPECT_EQ(facts.max_tokens, 40);
  EXPECT_GT(PairCase("t5_relu").model->facts().max_tokens, 1 << 20);
}

/// A golden with another configuration.
std::shared_ptr<const EncoderDecoder> changed(const std::string& name, const Json& fields) {
  const testing::ChangedGolden folder(name, [&](Json& config) { config.update(fields); });
  return load_encoder_decoder(folder.path());
}

TEST(Seq2Seq, FilesOfBeforeTransformers5AreRead) {
  // they say of 1.1 that nothing is tied, and nothing of a scale
  const PairCase one("t5_gated");
  const auto before =
      changed("t5_gated", {{"scale_decoder_outputs", nullptr}, {"tie_word_embeddings", false}});
  expect_same_bits(before->decode(one.target, before->encode(one.source)),
                   one.model->decode(one.target, one.model->encode(one.source)), "1.1");
  const auto scaled = changed("t5_gated", {{"scale_decoder_outputs", nullptr}});
  EXPECT_GT(distance(scaled->decode(one.target, scaled->encode(one.source)),
                     one.model->decode(one.target, one.model->encode(one.source))),
            0.1);
}

TEST(Seq2Seq, NamesWithoutTheModelPrefixAreRead) {
  const PairCase one("bart");
  std::map<std::string, Tensor> weights;
  const Checkpoint checkpoint = Checkpoint::open(golden_folder() / "bart");
  for (const auto& [name, entry] : checkpoint.entries()) {
    weights[name.starts_with("model.") ? name.substr(6) : name] = checkpoint.load(name);
  }
  const auto bare =
      make_encoder_decoder(golden_folder() / "bart" / "config.json", Params::from(weights));
  expect_same_bits(bare->decode(one.target, bare->encode(one.source)),
                   one.model->decode(one.target, one.model->encode(one.source)), "bare names");
}

TEST(Seq2Seq, StacksHaveTheirOwnWordsWhereNothingIsTied) {
  // as transformers 5 has them; 4's files hold one table for both
  const PairCase one("bart");
  Json config = read_json(golden_folder() / "bart" / "config.json");
  config["tie_word_embeddings"] = false;
  std::map<std::string, Tensor> weights;
  const Checkpoint checkpoint = Checkpoint::open(golden_folder() / "bart");
  for (const auto& [name, entry] : checkpoint.entries()) weights[name] = checkpoint.load(name);
  const Tensor words = weights.at("model.shared.weight");
  weights["lm_head.weight"] = words;
  const auto expect_equal = [&](const std::string& what) {
    const auto apart =
        make_encoder_decoder(ConfigReader(config, "config.json"), Params::from(weights));
    expect_same_bits(apart->decode(one.target, apart->encode(one.source)),
                     one.model->decode(one.target, one.model->encode(one.source)), what);
  };
  expect_equal("one table");
  for (const char* stack : {"encoder", "decoder"}) {
    weights[fmt::format("model.{}.embed_tokens.weight", stack)] = words;
  }
  weights["model.shared.weight"] = Tensor::zeros(words.shape(), words.dtype());
  expect_equal("a table each");
}

TEST(Seq2Seq, SinusoidsThatACheckpointStoresAreItsOwn) {
  for (const char* name : {"pegasus", "marian"}) {
    const PairCase one(name);
    std::map<std::string, Tensor> weights;
    const Checkpoint checkpoint = Checkpoint::open(golden_folder() / name);
    for (const auto& [path, entry] : checkpoint.entries()) weights[path] = checkpoint.load(path);
    const auto written = [&] {
      const auto model =
          make_encoder_decoder(golden_folder() / name / "config.json", Params::from(weights));
      return model->decode(one.target, model->encode(one.source));
    };
    const Tensor expected = one.model->decode(one.target, one.model->encode(one.source));
    const EncoderDecoderFacts& facts = one.model->facts();
    const Tensor table = sinusoidal_positions(facts.max_tokens, facts.width, SinusoidOrder::halves);
    for (const std::string stack : {"encoder", "decoder"}) {
      const std::string path = "model." + stack + ".embed_positions.weight";
      weights.erase(path);
      expect_close(written(), expected, 1e-5, "computed");
      weights[path] = table.to(DType::bf16);
      EXPECT_GT(distance(written(), expected), 1e-5) << name << ": rounded " << stack;
      weights[path] = Tensor::zeros({facts.max_tokens + 1, facts.width});
      expect_error(ErrorCode::corrupt_data, {path}, written);
      weights[path] = table;
      expect_close(written(), expected, 1e-5, "stored");
    }
  }
}

TEST(Seq2Seq, BadInputIsNamed) {
  constexpr auto kInvalid = ErrorCode::invalid_argument;
  for (const std::string& name : kModels) {
    const PairCase one(name);
    const auto encode = [&](const std::vector<std::vector<int32_t>>& rows) {
      return one.model->encode(EncoderInput::from_rows(rows));
    };
    expect_error(kInvalid, {"41"}, [&] { encode({{1, 41}}); });
    expect_error(kInvalid, {"-1"}, [&] { encode({{-1}}); });
    EncoderInput input = EncoderInput::from_rows({{1, 2}});
    input.lengths = {3};
    expect_error(kInvalid, {"lengths"}, [&] { one.model->encode(input); });
    expect_error(kInvalid, {"target ids must be [B=2"}, [&] {
      one.model->decode(Tensor::zeros({1, 3}, DType::i32), encode({{1}, {2}}));
    });
    if (one.model->facts().max_tokens > 100) continue;
    expect_error(kInvalid, {"41 tokens", "40 positions"},
                 [&] { encode({std::vector<int32_t>(41, 1)}); });
  }
}

void expect_refused(const std::string& name, ErrorCode code, const char* field, const Json& value,
                    std::initializer_list<std::string_view> parts) {
  testing::expect_refused(name, {code, field, value, parts},
                          [](const auto& folder) { load_encoder_decoder(folder); });
}

TEST(T5Config, EveryFieldIsChecked) {
  constexpr auto kCorrupt = ErrorCode::corrupt_data;
  const auto corrupt = [](const char* field, const Json& value,
                          std::initializer_list<std::string_view> parts) {
    expect_refused("t5_relu", kCorrupt, field, value, parts);
  };
  corrupt("vocab_size", 40, {"shared.weight", "41", "40"});
  corrupt("d_model", nullptr, {"d_model", "absent"});
  corrupt("d_kv", 0, {"d_kv"});
  corrupt("num_heads", "3", {"num_heads", "\"3\""});
  corrupt("num_layers", -1, {"num_layers"});
  corrupt("num_decoder_layers", 0, {"num_decoder_layers"});
  corrupt("d_ff", 28, {"DenseReluDense", "28"});
  corrupt("relative_attention_num_buckets", 3, {"relative_attention_num_buckets"});
  corrupt("relative_attention_max_distance", 3, {"relative_attention_max_distance", "above 3"});
  corrupt("layer_norm_epsilon", -1, {"layer_norm_epsilon"});
  corrupt("scale_decoder_outputs", 1, {"scale_decoder_outputs"});
  expect_refused("t5_relu", ErrorCode::unsupported, "feed_forward_proj", "gated-mish", {"mish"});
  expect_refused("t5_relu", ErrorCode::not_found, "feed_forward_proj", "gated-gelu", {"wi_0"});
  expect_refused("t5_relu", ErrorCode::not_found, "num_layers", 3, {"encoder.block.2"});
}

TEST(BartConfig, EveryFieldIsChecked) {
  constexpr auto kCorrupt = ErrorCode::corrupt_data;
  const auto corrupt = [](const char* field, const Json& value,
                          std::initializer_list<std::string_view> parts) {
    expect_refused("bart", kCorrupt, field, value, parts);
  };
  corrupt("vocab_size", 40, {"shared.weight", "41", "40"});
  corrupt("d_model", nullptr, {"d_model", "absent"});
  corrupt("encoder_attention_heads", 5, {"encoder_attention_heads", "divisor", "12", "5"});
  corrupt("decoder_attention_heads", 7, {"decoder_attention_heads", "divisor", "12", "7"});
  corrupt("encoder_layers", 0, {"encoder_layers"});
  corrupt("decoder_layers", "2", {"decoder_layers"});
  corrupt("encoder_ffn_dim", 22, {"fc1", "22", "21"});
  corrupt("decoder_ffn_dim", 0, {"decoder_ffn_dim"});
  corrupt("max_position_embeddings", 41, {"embed_positions", "43", "42"});
  corrupt("scale_embedding", 2, {"scale_embedding"});
  corrupt("pad_token_id", -42, {"pad_token_id", "-41"});
  expect_refused("bart", ErrorCode::unsupported, "activation_function", "mish", {"mish"});
  expect_refused("bart", ErrorCode::not_found, "tie_word_embeddings", false, {"lm_head.weight"});
  expect_refused("bart", ErrorCode::not_found, "model_type", "mbart", {"encoder.layer_norm"});
  expect_refused("marian", kCorrupt, "decoder_vocab_size", 33, {"decoder_vocab_size", "41"});
  expect_refused("marian", ErrorCode::not_found, "share_encoder_decoder_embeddings", false,
                 {"model.encoder.embed_tokens.weight"});
}

}  // namespace
}  // namespace heed
