#include <fmt/format.h>
#include <gtest/gtest.h>

#include "heed/generate/decode.h"
#include "heed/generate/stepper.h"
#include "heed/models/registry.h"
#include "tests/golden.h"

namespace heed {
namespace {

using testing::expect_close;
using testing::expect_same_bits;
using testing::golden_folder;

using Ids = std::vector<int32_t>;
using Rows = std::vector<Ids>;

// Logits are sums of some 100 terms below 10, rounded in another order where one query is read.
constexpr double kTolerance = 1e-4;

const std::vector<std::string> kModels = {"t5_relu",
                                          "t5_gated",
                                          "mt5",
                                          "bart",
                                          "mbart",
                                          "marian",
                                          "marian_apart",
                                          "pegasus",
                                          "transformer_2x6",
                                          "transformer_3x7",
                                          "recurrent_gru_attention"};

const Rows kSources = {{3, 9, 4, 2}, {7, 2}, {5, 5, 8, 12, 16, 3, 2}};

struct Model {
  explicit Model(const std::string& name)
      : model(load_encoder_decoder(golden_folder() / name)),
        memory(model->encode(EncoderInput::from_rows(kSources))) {}

  /// What follows a text of a source alone, read anew.
  Tensor anew(size_t source, const Ids& ids) const {
    const Memory alone = model->encode(EncoderInput::from_rows({kSources[source]}));
    const Tensor states = model->decode(Tensor::from(ids, {1, std::ssize(ids)}), alone);
    return model->logits(states.select(1, std::ssize(ids) - 1).contiguous());
  }

  std::shared_ptr<const EncoderDecoder> model;
  Memory memory;
};

TEST(MemoryStepper, StepsOfSeveralSourcesGiveWhatReadingAnewGives) {
  for (const std::string& name : kModels) {
    const Model one(name);
    for (const int64_t page : {1, 3, 128}) {
      MemoryStepper stepper(one.model, one.memory, {.page_tokens = page});
      Rows rows = {{1}, {4, 1}, {1, 2, 6}};
      Tensor logits = stepper.next(rows, {});
      std::vector<int64_t> parents = {0, 1, 2};
      for (int32_t step = 0; step < 12; ++step) {
        for (size_t i = 0; i < rows.size(); ++i) {
          expect_close(logits.slice(0, static_cast<int64_t>(i), static_cast<int64_t>(i) + 1),
                       one.anew(i, rows[i]), kTolerance,
                       fmt::format("{} step {} row {} pages of {}", name, step, i, page));
          rows[i].push_back((7 * step + 3 * static_cast<int32_t>(i)) % 19);
        }
        logits = stepper.next(rows, parents);
      }
    }
  }
}

TEST(MemoryStepper, RowsPartAndEndAndKeepTheirSource) {
  for (const std::string& name : kModels) {
    const Model one(name);
    MemoryStepper stepper(one.model, one.memory);
    stepper.next({{1}, {1}, {1}}, {});
    const std::vector<int64_t> parents = {2, 0, 2};
    const Rows rows = {{1, 5}, {1, 4}, {1, 6}};
    const Tensor logits = stepper.next(rows, parents);
    const std::vector<size_t> sources = {2, 0, 2};
    for (size_t i = 0; i < 3; ++i) {
      expect_close(logits.slice(0, static_cast<int64_t>(i), static_cast<int64_t>(i) + 1),
                   one.anew(sources[i], rows[i]), kTolerance, fmt::format("{} row {}", name, i));
    }
    const std::vector<int64_t> last = {2};
    expect_close(stepper.next({{1, 6, 9}}, last), one.anew(2, {1, 6, 9}), kTolerance, name);
  }
}

TEST(MemoryStepper, ATextIsTheSameAmongOthersAndAlone) {
  for (const std::string& name : kModels) {
    const Model one(name);
    MemoryStepper together(one.model, one.memory);
    const DecodeOptions options{.max_new_tokens = 9, .end_ids = {2}};
    const std::vector<Written> all = decode_batch(together, {{1}, {1}, {1}}, options);
    for (size_t i = 0; i < kSources.size(); ++i) {
      MemoryStepper alone(one.model, one.model->encode(EncoderInput::from_rows({kSources[i]})));
      EXPECT_EQ(decode(alone, {1}, options).ids, all[i].ids) << name << " " << i;
    }
  }
}

/// Sees the shapes of what a run attends to.
class Watcher : public Observer {
 public:
  AttentionWant wants(int, std::string_view kind) override { return {.weights = kind == "cross"}; }
  bool wants_value_norms(int, std::string_view kind) override { return kind == "cross"; }
  void attention(int, std::string_view, const AttentionOutputs& outputs) override {
    weights = outputs.weights;
  }
  void value_norms(int, std::string_view, const Tensor& of_keys) override { norms = of_keys; }

  Tensor weights, norms;
};

TEST(MemoryStepper, WatchingKeptKeysChangesNoBit) {
  const Model one("bart");
  const auto step = [&](Observer* observer) {
    KvCache cache;
    KvMemory kept;
    kept.set_rows({0, 1, 2});
    std::vector<KvRow> texts(3, cache.row());
    Tensor states;
    for (int32_t id = 1; id < 4; ++id) {
      KvRun run({&texts[0], &texts[1], &texts[2]}, {1, 1, 1}, &kept);
      states = one.model->decode(Tensor::from(Ids{id, id, id}, {3, 1}), one.memory,
                                 {.observer = observer, .cache = &run});
      run.finish();
    }
    return states;
  };
  Watcher watcher, whole;
  expect_same_bits(step(&watcher), step(nullptr), "states");
  one.model->decode(Tensor::from(Ids{1, 2, 3, 1, 2, 3, 1, 2, 3}, {3, 3}), one.memory,
                    {.observer = &whole});
  expect_close(watcher.weights, whole.weights.slice(2, 2, 3), 1e-5, "weights");
  for (int64_t b = 0; b < 3; ++b) {  // padding has no values
    const int64_t tokens = one.memory.lengths[static_cast<size_t>(b)];
    const auto real = [&](const Tensor& norms) { return norms.select(0, b).slice(1, 0, tokens); };
    expect_close(real(watcher.norms), real(whole.norms), 1e-5, "norms of " + std::to_string(b));
  }
}

}  // namespace
}  // namespace heed
