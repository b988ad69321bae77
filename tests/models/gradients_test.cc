#include <gtest/gtest.h>

#include "heed/autograd/tape.h"
#include "heed/base/parallel.h"
#include "heed/models/bert.h"
#include "heed/models/config.h"
#include "heed/models/registry.h"
#include "heed/nn/parameter_store.h"
#include "heed/ops/precision.h"
#include "tests/golden.h"

// Whole models' gradients against PyTorch's in f64 (tools/make_gradient_goldens.py), and what may
// not change a bit of them.

namespace heed {
namespace {

using testing::expect_same_bits;
using testing::Golden;
using testing::golden_folder;

using Gradients = std::vector<std::pair<std::string, Tensor>>;

/// Of a golden, whose padding's id stands in real places and learns like any other.
BertConfig config_of(const std::string& name) {
  BertConfig config = BertConfig::read(ConfigReader::open(golden_folder() / name / "config.json"));
  config.padding = -1;
  return config;
}

/// A BERT of tests/golden whose weights are parameters.
class TrainedBert {
 public:
  explicit TrainedBert(const std::string& name, const ParameterOptions& options = {})
      : given_(name + "/expected.safetensors"),
        store_(Checkpoint::open(golden_folder() / name), options),
        bert_(config_of(name), store_.params()) {}

  /// Gradients of sum(y r) by name.
  Gradients run(const Tensor& r, Training* training = nullptr,
                Precision precision = Precision::f32) const {
    store_.clear_gradients();
    EncoderInput input{.ids = given_["input_ids"], .type_ids = given_["token_type_ids"]};
    for (const int32_t length : given_["lengths"].span<int32_t>()) input.lengths.push_back(length);
    backward(forward(input, training, precision), r);
    Gradients found;
    for (const auto& [key, weight] : store_.trained()) found.emplace_back(key, gradient(weight));
    return found;
  }

 private:
  Tensor forward(const EncoderInput& input, Training* training, Precision precision) const {
    const ComputePrecision scope(precision);
    return bert_(input, {.training = training});
  }

  Golden given_;
  ParameterStore store_;
  Bert bert_;
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

/// A weight's name as transformers has it now, without the model's prefix.
std::string todays(const std::string& name) {
  return replaced(replaced(replaced(name, "bert.", ""), "gamma", "weight"), "beta", "bias");
}

Tensor weights_of(const std::string& name) { return Golden("gradients.safetensors")[name + "/r"]; }

void expect_same(const Gradients& a, const Gradients& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].second.defined(), b[i].second.defined()) << a[i].first;
    if (a[i].second.defined()) expect_same_bits(a[i].second, b[i].second, what + a[i].first);
  }
}

TEST(BertGradients, AreWithinTwicePyTorchsOwnError) {
  const Golden golden("gradients.safetensors");
  const Json errors = golden.metadata("errors");
  for (const std::string name : {"bert_3x13", "bert_3x17"}) {
    int64_t compared = 0;
    for (const auto& [stored, found] : TrainedBert(name).run(weights_of(name))) {
      if (!found.defined()) continue;  // the pooler
      const std::string key = todays(stored);
      const std::string where = name + "/gradients/" + key;
      const Tensor exact = golden[where];
      // A key's bias moves all scores of a row alike, and softmax does not see it: what is left is
      // the rounding of sums as the query's bias has them.
      const std::string like = replaced(key, "self.key.bias", "self.query.bias");
      const double error = errors[name + "/" + like];
      EXPECT_LE(testing::l2_distance(found, exact),
                2 * error + testing::kStored * testing::l2_norm(exact))
          << where;
      ++compared;
    }
    EXPECT_GE(compared, 5 + 16);
  }
}

TEST(BertGradients, SameBitsAtAnyNumberOfThreadsAndWithBlocksComputedAgain) {
  const std::string name = "bert_3x13";
  const TrainedBert bert(name);
  const Tensor r = weights_of(name);
  const auto run = [&](bool recompute) {
    Training training{
        .rates = {.hidden = 0.1F, .attention = 0.2F}, .seed = 3, .recompute = recompute};
    return bert.run(r, &training);
  };
  set_num_threads(1);
  const Gradients one = run(false);
  for (const int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    expect_same(run(false), one, "more threads: ");
    expect_same(run(true), one, "computed again: ");
  }
  set_num_threads(1);
}

TEST(BertGradients, BlocksAreComputedAgainInTheSamePrecision) {
  const std::string name = "bert_3x13";
  const TrainedBert bert(name);
  const Tensor r = weights_of(name);
  Training kept{.seed = 3}, again{.seed = 3, .recompute = true};
  expect_same(bert.run(r, &kept, Precision::bf16), bert.run(r, &again, Precision::bf16), "bf16: ");
}

TEST(BertGradients, DropoutIsAFunctionOfTheSeed) {
  const std::string name = "bert_3x17";
  const TrainedBert bert(name);
  const Tensor r = weights_of(name);
  const auto run = [&](uint64_t seed, float rate) {
    Training training{.rates = {.hidden = rate}, .seed = seed};
    return bert.run(r, &training);
  };
  expect_same(run(1, 0.5F), run(1, 0.5F), "again: ");
  expect_same(run(1, 0), bert.run(r), "nothing dropped: ");
  EXPECT_GT(testing::distance(run(1, 0.5F)[0].second, run(2, 0.5F)[0].second), 0);
}

/// What a frozen model makes of many texts while numbers are dropped in it.
template <class States>
void expect_same_at_any_number_of_threads(const std::string& what, const States& states) {
  const int before = num_threads();
  const auto run = [&](int threads) {
    set_num_threads(threads);
    Training training{.rates = {.hidden = 0.3F, .attention = 0.3F, .feed_forward = 0.3F},
                      .seed = 7};
    return states(Run{.training = &training});
  };
  const Tensor one = run(1);
  for (const int threads : {2, 5}) expect_same_bits(run(threads), one, what);
  set_num_threads(before);
}

TEST(FrozenModels, DropTheSameAtAnyNumberOfThreads) {
  // more tokens than a thread takes through all blocks at once
  std::vector<std::vector<int32_t>> rows;
  for (size_t row = 0; row < 200; ++row) rows.emplace_back(4 + row % 7, 5);
  const EncoderInput texts = EncoderInput::from_rows(rows);
  const auto bert = load_encoder(golden_folder() / "bert_3x13");
  expect_same_at_any_number_of_threads("bert",
                                       [&](const heed::Run& run) { return (*bert)(texts, run); });
  for (const char* name : {"t5_relu", "bart", "transformer_3x7"}) {
    const auto model = load_encoder_decoder(golden_folder() / name);
    expect_same_at_any_number_of_threads(
        name, [&](const heed::Run& run) { return model->encode(texts, run).states; });
  }
}

TEST(BertGradients, ReachPartsThatAreTrainedAlone) {
  const auto frozen = [](std::string_view key) { return !key.starts_with("encoder.layer.1."); };
  const std::string name = "bert_3x13";
  const Gradients whole = TrainedBert(name).run(weights_of(name));
  const Gradients part = TrainedBert(name, {.frozen = frozen}).run(weights_of(name));
  ASSERT_EQ(part.size(), 16U);
  for (const auto& [key, found] : part) {
    for (const auto& [other, expected] : whole) {
      if (other == key) expect_same_bits(found, expected, key);
    }
  }
}

}  // namespace
}  // namespace heed
