// Whole models against PyTorch: the gradient of a batch's loss in every weight.

#include <gtest/gtest.h>

#include <functional>

#include "heed/autograd/tape.h"
#include "heed/models/registry.h"
#include "heed/nn/parameter_store.h"
#include "heed/ops/cross_entropy.h"
#include "heed/ops/elementwise.h"
#include "tests/golden.h"
#include "tests/random_tensor.h"

namespace heed {
namespace {

using testing::expect_same_bits;
using testing::Golden;
using testing::golden_folder;
using testing::l2_distance;
using testing::l2_norm;

std::vector<int64_t> lengths_of(const Golden& golden) {
  const auto lengths = golden["lengths"].span<int32_t>();
  return {lengths.begin(), lengths.end()};
}

/// The states of the golden's batch, and the weight they are compared with.
struct Outcome {
  Tensor states;
  Tensor weight;
};

using Model = std::function<Outcome(const Golden& golden)>;

Model make(const std::filesystem::path& folder, const Params& params) {
  const std::filesystem::path config = folder / "config.json";
  if (model_kind(folder) == ModelKind::causal) {
    return [model = make_causal_model(config, params)](const Golden& golden) -> Outcome {
      return {model->hidden(golden["input_ids"]), model->output_weight()};
    };
  }
  return [model = make_encoder_decoder(config, params)](const Golden& golden) -> Outcome {
    const Memory memory =
        model->encode({.ids = golden["source"], .lengths = lengths_of(golden), .type_ids = {}});
    return {model->decode(golden["target"], memory), model->output_weight()};
  };
}

class ModelGradients : public ::testing::TestWithParam<const char*> {};

TEST_P(ModelGradients, AreAsNearToExactOnesAsTorchs) {
  const std::string name = std::string("gradients_") + GetParam();
  const std::filesystem::path folder = golden_folder() / name;
  const Golden golden(name + "/expected.safetensors");
  const ParameterStore store(Checkpoint::open(folder));
  const Outcome outcome = make(folder, store.params())(golden);
  backward(cross_entropy(outcome.states, outcome.weight, Tensor(), golden["targets"]));

  const Json errors = golden.metadata("errors");
  ASSERT_EQ(store.trained().size(), errors.size());
  for (const auto& [key, parameter] : store.trained()) {
    const Tensor expected = golden["gradient." + key];
    const Tensor found = gradient(parameter);
    ASSERT_TRUE(found) << key;
    ASSERT_EQ(to_string(found.shape()), to_string(expected.shape())) << key;
    EXPECT_LE(l2_distance(found, expected) / l2_norm(expected), 2 * errors[key].get<double>())
        << key;
  }
}

TEST_P(ModelGradients, FrozenWeightsAreReadWhereTheyLie) {
  const std::string name = std::string("gradients_") + GetParam();
  const std::filesystem::path folder = golden_folder() / name;
  const Golden golden(name + "/expected.safetensors");
  const ParameterStore store(Checkpoint::open(folder),
                             {.frozen = [](std::string_view) { return true; }});
  const Model model = make(folder, store.params());
  for (const auto& [key, weight] : store.tensors()) store.assign(key, scale(weight, 0.9F));
  expect_same_bits(model(golden).states, make(folder, store.params())(golden).states, name);
}

TEST(Padding, ItsRowsGetNoGradientAsInTorch) {
  struct Case {
    const char* folder;
    std::string table;
    int32_t padding;
    int64_t learns;  // a row that is read
  };
  const std::string words = ".embeddings.word_embeddings.weight";
  for (const Case& one :
       {Case{"llama_plain", "model.embed_tokens.weight", 0, 5},
        Case{"encoder_bert_tag", "bert" + words, 0, 5},
        Case{"encoder_distilbert_tag", "distilbert" + words, 0, 5},
        Case{"encoder_roberta_tag", "roberta" + words, 1, 5},
        Case{"encoder_roberta_tag", "roberta.embeddings.position_embeddings.weight", 1, 2}}) {
    const std::filesystem::path folder = golden_folder() / one.folder;
    const ParameterStore store(Checkpoint::open(folder));
    const auto model = make_encoder(folder / "config.json", store.params());
    const std::vector<int32_t> ids{5, one.padding, 7, one.padding};
    const Tensor states = (*model)({.ids = Tensor::from(ids, {1, 4})});
    backward(states, testing::random_tensor(states.shape(), 1));
    const Tensor found = gradient(store[one.table]);
    const auto row = [&](int64_t i) { return l2_norm(found.select(0, i).contiguous()); };
    EXPECT_EQ(row(one.padding), 0) << one.folder << " " << one.table;
    EXPECT_GT(row(one.learns), 0) << one.folder << " " << one.table;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ModelGradients,
                         ::testing::Values("gpt2", "llama", "transformer", "lstm", "gru",
                                           "lstm_attention", "t5", "bart"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace heed
