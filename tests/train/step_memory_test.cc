// What a step of training after the first asks of the system: nothing. Tensors and the kernels'
// scratch come from what the step before gave back. (Records, lists of tasks and the like are the
// allocator's: docs/decisions/0019-memory-of-a-step.md counts them.)

#include <gtest/gtest.h>

#include "heed/base/file.h"
#include "heed/base/memory.h"
#include "heed/base/parallel.h"
#include "heed/tensor/storage.h"
#include "heed/train/trainer.h"
#include "tests/random_bert.h"
#include "tests/support.h"

namespace heed {
namespace {

using testing::TemporaryFolder;
using Fields = std::vector<std::pair<const char*, std::string>>;

/// Blocks asked for up to the start and up to the end of each step.
struct Blocks : TrainListener {
  std::vector<uint64_t> seen;
  void started(const TrainFacts&, const TrainTask&) override { note(); }
  void progressed(const TrainStatus&) override { note(); }
  void note() { seen.push_back(allocated_so_far()); }
};

/// No memory is kept but what train() itself keeps.
class StepMemory : public ::testing::TestWithParam<int> {
 protected:
  StepMemory() : limit_(set_cached_memory_limit(0)), threads_(num_threads()) {
    set_num_threads(GetParam());
  }
  ~StepMemory() override {
    set_num_threads(threads_);
    set_cached_memory_limit(limit_);
  }

  std::string file(const char* name, const std::string& content) const {
    write_file(folder_ / name, content);
    return folder_ / name;
  }

  /// Five steps, the first of which makes what the others use again.
  void expect_steps_in_kept_memory(const Fields& fields) const {
    TrainConfig config;
    for (const auto& [name, value] : fields) set_field(config, name, value);
    const TemporaryFolder out;
    for (const auto& [name, value] : Fields{{"out", out / "run"},
                                            {"steps", "5"},
                                            {"validation_part", "0"},
                                            {"save_every", "100"},  // a checkpoint is no step
                                            {"log_every", "1"}}) {
      set_field(config, name, value);
    }
    if (config.model.empty()) {
      for (const auto& [name, value] : Fields{{"layers", "2"}, {"heads", "4"}, {"width", "64"}}) {
        set_field(config, name, value);
      }
    }
    Blocks blocks;
    const auto group = make_group();
    train(config, /*resume=*/false, blocks, *group);
    ASSERT_EQ(blocks.seen.size(), 6U);
    EXPECT_GT(blocks.seen[1], blocks.seen[0]) << "nothing was counted";
    for (size_t step = 2; step <= 5; ++step) {
      EXPECT_EQ(blocks.seen[step] - blocks.seen[step - 1], 0U) << "in step " << step;
    }
  }

  TemporaryFolder folder_;

 private:
  int64_t limit_;
  int threads_;
};

INSTANTIATE_TEST_SUITE_P(Threads, StepMemory, ::testing::Values(1, 3));

/// So many lines, each of a first and a second part made from its number.
template <class Make>
std::string lines(int count, const Make& make) {
  std::string all;
  for (int i = 0; i < count; ++i) all += make(i) + "\n";
  return all;
}

TEST_P(StepMemory, OfALanguageModel) {
  const std::string text =
      lines(200, [](int i) { return "the cat sees dog " + std::to_string(i); });
  expect_steps_in_kept_memory({{"task", "lm"},
                               {"data", file("text.txt", text)},
                               {"tokenizer", "characters"},
                               {"block", "64"},
                               {"batch", "12"}});
}

TEST_P(StepMemory, OfOtherWaysToLearn) {
  const std::string text = lines(60, [](int i) { return "the cat sees " + std::to_string(i); });
  for (const auto& [name, value] : Fields{{"accumulate", "2"},
                                          {"recompute", "true"},
                                          {"precision", "bf16"},
                                          {"optimizer", "adafactor"},
                                          {"optimizer", "lion"}}) {
    SCOPED_TRACE(std::string(name) + ": " + value);
    expect_steps_in_kept_memory({{"task", "lm"},
                                 {"data", file("text.txt", text)},
                                 {"tokenizer", "characters"},
                                 {"block", "32"},
                                 {"batch", "6"},
                                 {name, value}});
  }
}

TEST_P(StepMemory, OfAClassifierOfTextsOfOneLength) {
  const std::string rows = lines(80, [](int i) {
    return std::string(i % 3 == 0 ? "the cat sees the dog" : "the dog sees the cat") + "," +
           std::to_string(i % 3);
  });
  expect_steps_in_kept_memory(
      {{"task", "classify"}, {"data", file("rows.csv", "text,label\n" + rows)}, {"batch", "16"}});
}

TEST_P(StepMemory, OfAdapters) {
  std::filesystem::create_directory(folder_ / "bert");
  testing::write_random_bert(folder_ / "bert", 32);
  const std::string rows =
      lines(80, [](int i) { return "a b c x" + std::to_string(30 + i % 4) + "," + "ab"[i % 2]; });
  expect_steps_in_kept_memory({{"task", "classify"},
                               {"data", file("rows.csv", "text,label\n" + rows)},
                               {"model", folder_ / "bert"},
                               {"lora_rank", "2"},
                               {"block", "16"},
                               {"batch", "16"}});
}

TEST_P(StepMemory, OfATranslator) {
  const std::string pairs = lines(200, [](int i) {
    const std::string letters = std::to_string(100000 + i);
    return letters + "\t" + letters;
  });
  expect_steps_in_kept_memory({{"task", "translate"},
                               {"data", file("pairs.tsv", pairs)},
                               {"tokenizer", "characters"},
                               {"batch", "30"},
                               {"block", "16"}});
}

}  // namespace
}  // namespace heed
