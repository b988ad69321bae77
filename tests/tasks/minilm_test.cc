// all-MiniLM-L6-v2 against what transformers and sentence-transformers computed
// (tools/make_goldens.py); tools/compare_minilm.py compares every number.

#include <gtest/gtest.h>

#include "heed/tasks/embed.h"
#include "heed/tasks/forward.h"
#include "tests/golden.h"

namespace heed {
namespace {

using testing::expect_close;
using testing::expect_same_bits;
using testing::Golden;
using testing::model_folder;

// f32 itself is 2.5e-5 from f64 in the last layer.
constexpr double kStateTolerance = 5e-5;
constexpr double kWeightTolerance = 1e-5;
constexpr double kVectorTolerance = 1e-5;

struct MiniLm {
  explicit MiniLm(const std::filesystem::path& folder)
      : embed(Embedder::load(folder.string())), golden("minilm.safetensors") {
    const int32_t* next = golden["ids"].data<int32_t>();
    for (const Json& length : golden.metadata("lengths")) {
      ids.emplace_back(next, next + length.get<int64_t>());
      next += length.get<int64_t>();
    }
    for (const Json& text : golden.metadata("texts")) {
      texts.push_back(text.is_null() ? "" : text.get<std::string>());
    }
  }

  Embedder embed;
  Golden golden;
  std::vector<std::vector<int32_t>> ids;
  std::vector<std::string> texts;  // the first one has ids only
};

/// values[at[i]] for each i.
Tensor sample(const Tensor& values, const Tensor& at) {
  const Tensor flat = values.contiguous();
  const Tensor result = Tensor::empty({at.numel()});
  for (int64_t i = 0; i < at.numel(); ++i) {
    result.data<float>()[i] = flat.data<float>()[at.contiguous().data<int32_t>()[i]];
  }
  return result;
}

TEST(MiniLm, TokensAndVectorsEqualSentenceTransformers) {
  const auto folder = model_folder();
  HEED_NEED_MODEL(folder);
  const MiniLm model(folder);
  for (size_t i = 1; i < model.texts.size(); ++i) {
    EXPECT_EQ(model.embed.tokenizer().encode(model.texts[i]).ids, model.ids[i]) << model.texts[i];
  }
  const Embeddings embeddings = model.embed(std::span(model.texts).subspan(1), {.batch = 5});
  const Tensor expected = model.golden["vectors"];
  expect_close(embeddings.vectors, expected.slice(0, 1, expected.size(0)), kVectorTolerance,
               "vectors");
  for (size_t i = 1; i < model.ids.size(); ++i) {
    EXPECT_EQ(embeddings.truncated[i - 1], model.ids[i].size() > 256);
  }
}

TEST(MiniLm, StatesAndAttentionsEqualTransformers) {
  const auto folder = model_folder();
  HEED_NEED_MODEL(folder);
  const MiniLm model(folder);
  int64_t done = 0;
  for (size_t i = 0; i < model.ids.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    const std::string what = std::to_string(model.ids[i].size()) + " tokens";
    const auto arrays =
        forward(model.embed.encoder(),
                {.ids = {model.ids[i]}, .want = {"last_hidden_state", "attentions"}});
    const Tensor state = arrays[2].second.select(0, 0), attentions = arrays[3].second;
    expect_close(sample(state, model.golden["state_at"].select(0, row)),
                 model.golden["state"].select(0, row), kStateTolerance, what);
    for (int64_t layer = 0; layer < 6; ++layer) {
      expect_close(sample(attentions.select(0, layer),
                          model.golden["attention_at"].select(0, row).select(0, layer)),
                   model.golden["attention"].select(0, row).select(0, layer), kWeightTolerance,
                   what);
    }
    for (int64_t t = 0; t < state.size(0); ++t) {
      double sum = 0;
      for (const float value : state.select(0, t).span<float>()) sum += value;
      // 384 errors of random sign, each within the tolerance
      EXPECT_NEAR(sum, model.golden["state_sums"].at({done + t}), 20 * kStateTolerance) << what;
    }
    done += state.size(0);
  }
}

TEST(MiniLm, PaddingChangesNoBit) {
  const auto folder = model_folder();
  HEED_NEED_MODEL(folder);
  const MiniLm model(folder);
  const std::vector<std::vector<int32_t>> mixed = {model.ids[14], model.ids[3], model.ids[9]};
  const Tensor together = forward(model.embed.encoder(), {.ids = mixed})[2].second;
  for (size_t i = 0; i < mixed.size(); ++i) {
    const Tensor alone = forward(model.embed.encoder(), {.ids = {mixed[i]}})[2].second;
    expect_same_bits(alone.select(0, 0),
                     together.select(0, static_cast<int64_t>(i)).slice(0, 0, alone.size(1)),
                     std::to_string(mixed[i].size()) + " tokens");
  }
}

}  // namespace
}  // namespace heed
