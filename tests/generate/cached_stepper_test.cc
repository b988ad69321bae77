#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "heed/base/parallel.h"
#include "heed/generate/beam_search.h"
#include "heed/generate/decode.h"
#include "heed/models/registry.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/sanitized.h"

namespace heed {
namespace {

using testing::distance;
using testing::expect_close;
using testing::expect_same_bits;
using testing::Golden;
using testing::golden_folder;

using Ids = std::vector<int32_t>;
using Rows = std::vector<Ids>;

// Logits are sums of some 100 terms below 10, rounded in another order where one query is read.
constexpr double kTolerance = 1e-4;

const std::vector<std::string> kModels = {
    "gpt2_2x5",        "gpt2_3x8", "llama_plain", "llama_llama3", "llama_linear", "llama_yarn",
    "llama_yarn_ramp", "qwen2",    "qwen3",       "mistral",      "phi3"};

std::shared_ptr<const CausalModel> golden_model(const std::string& name) {
  return load_causal_model(golden_folder() / name);
}

Ids some_ids(size_t count, int32_t seed) {
  Ids ids;
  for (size_t i = 0; i < count; ++i) {
    seed = (seed * 37 + 11) % 1009;
    ids.push_back(seed % 20);
  }
  return ids;
}

/// What follows a text, by reading it anew.
Tensor anew(const CausalModel& model, const Ids& ids) {
  const Tensor states = model.hidden(Tensor::from(ids, {1, std::ssize(ids)}));
  return model.logits(states.select(1, std::ssize(ids) - 1).contiguous());
}

CachedStepperOptions pages_of(int64_t tokens, DType dtype = DType::f32) {
  return {.cache = {.dtype = dtype, .page_tokens = tokens}};
}

TEST(CachedStepper, StepsGiveWhatReadingAnewGives) {
  for (const std::string& name : kModels) {
    const auto model = golden_model(name);
    const int64_t most = std::min<int64_t>(model->facts().max_tokens, 60);
    for (const int64_t page : {1, 3, 16, 128}) {
      CachedStepper stepper(model, pages_of(page));
      Ids text = some_ids(5, 3);
      Tensor logits = stepper.next({text}, {});
      for (int64_t n = 5; n < most; ++n) {
        expect_close(logits, anew(*model, text), kTolerance, name);
        text.push_back(some_ids(1, static_cast<int32_t>(n))[0]);
        logits = stepper.next({text}, std::vector<int64_t>{0});
        EXPECT_EQ(stepper.reused_tokens(), n);
      }
    }
  }
}

TEST(CachedStepper, WritesWhatTransformersWrites) {
  for (const std::string& name : kModels) {
    if (name.starts_with("gpt2")) continue;  // tests/generate/decode_test.cc
    const auto model = golden_model(name);
    for (const Json& one : Golden(name + "/expected.safetensors").metadata("generated")) {
      const Ids expected = one["ids"].get<Ids>(), prompt = one["prompt"].get<Ids>();
      ASSERT_EQ(expected.size(), 64u);
      CachedStepper stepper(model);
      if (one["beams"] == 1) {
        EXPECT_EQ(decode(stepper, prompt, {.max_new_tokens = 64}).ids, expected) << name;
        continue;
      }
      const BeamOptions options{.beams = one["beams"], .max_new_tokens = 64};
      const Written best = beam_search(stepper, prompt, options).front();
      EXPECT_EQ(best.ids, expected) << name << " " << one;
      EXPECT_NEAR(best.score, one["score"].get<double>(), 1e-4) << name;
    }
  }
}

TEST(CachedStepper, PagesOfAnySizeGiveTheSameBits) {
  for (const std::string& name : kModels) {
    const auto model = golden_model(name);
    const Ids text = some_ids(20, 5), longer = some_ids(21, 5);
    CachedStepper reference(model, pages_of(64));
    const Tensor first = reference.next({text}, {}), second = reference.next({longer}, {});
    for (const int64_t page : {1, 2, 7, 20}) {
      CachedStepper stepper(model, pages_of(page));
      expect_same_bits(stepper.next({text}, {}), first, name);
      expect_same_bits(stepper.next({longer}, {}), second, name);
    }
  }
}

TEST(CachedStepper, RowsOfABatchAreAsAlone) {
  const int before = num_threads();
  for (const std::string& name : kModels) {
    const auto model = golden_model(name);
    Rows rows = {some_ids(9, 1), some_ids(2, 2), some_ids(17, 3), some_ids(9, 4)};
    for (const int threads : {1, 3}) {
      set_num_threads(threads);
      CachedStepper together(model, pages_of(4));
      const Tensor prompt = together.next(rows, {});
      Rows longer = rows;
      for (Ids& row : longer) row.push_back(7);
      const Tensor step = together.next(longer, std::vector<int64_t>{0, 1, 2, 3});
      for (size_t i = 0; i < rows.size(); ++i) {
        const auto at = static_cast<int64_t>(i);
        CachedStepper alone(model, pages_of(4));
        expect_same_bits(alone.next({rows[i]}, {}), prompt.slice(0, at, at + 1), name);
        expect_same_bits(alone.next({longer[i]}, std::vector<int64_t>{0}),
                         step.slice(0, at, at + 1), name);
      }
    }
  }
  set_num_threads(before);
}

TEST(CachedStepper, BeamsThatPartKeepTheirOwnTexts) {
  for (const std::string& name : kModels) {
    const auto model = golden_model(name);
    CachedStepper stepper(model, pages_of(4));
    Rows rows = {some_ids(6, 8)};
    stepper.next(rows, {});
    const std::vector<std::vector<int64_t>> parents = {{0, 0, 0}, {2, 0, 0}, {1, 1, 2}, {0, 2, 1}};
    int32_t next = 1;
    for (const auto& from : parents) {
      Rows grown;
      for (const int64_t parent : from) {
        grown.push_back(rows[static_cast<size_t>(parent)]);
        grown.back().push_back(next++);
      }
      rows = grown;
      const Tensor logits = stepper.next(rows, from);
      for (size_t i = 0; i < rows.size(); ++i) {
        const auto at = static_cast<int64_t>(i);
        expect_close(logits.slice(0, at, at + 1), anew(*model, rows[i]), kTolerance, name);
      }
    }
  }
}

TEST(CachedStepper, ReadsWhatIsNewAlone) {
  const auto model = golden_model("llama_plain");
  CachedStepper stepper(model, pages_of(8));
  const Ids system = some_ids(20, 9);
  Ids turn = system;
  turn.insert(turn.end(), {1, 2, 3});
  stepper.next({turn}, {});
  EXPECT_EQ(stepper.reused_tokens(), 0);
  Ids other = system;
  other.insert(other.end(), {1, 9, 9, 9});
  expect_close(stepper.next({other}, {}), anew(*model, other), kTolerance, "another end");
  EXPECT_EQ(stepper.reused_tokens(), 21);
  expect_close(stepper.next({other}, {}), anew(*model, other), kTolerance, "the same again");
  EXPECT_EQ(stepper.reused_tokens(), 23);  // the last token's state is asked for
  const Ids shorter(system.begin(), system.begin() + 5);
  expect_close(stepper.next({shorter}, {}), anew(*model, shorter), kTolerance, "its beginning");
  EXPECT_EQ(stepper.reused_tokens(), 4);
}

TEST(CachedStepper, ReadsWhatNewRowsShareOnce) {
  const auto model = golden_model("qwen2");
  CachedStepper stepper(model, pages_of(8));
  Rows rows(3, some_ids(30, 2));
  rows[1].push_back(3);
  rows[2][25] = 19;
  const Tensor logits = stepper.next(rows, {});
  EXPECT_EQ(stepper.reused_tokens(), 30 + 25);
  for (int64_t i = 0; i < 3; ++i) {
    expect_close(logits.slice(0, i, i + 1), anew(*model, rows[static_cast<size_t>(i)]), kTolerance,
                 "row " + std::to_string(i));
  }
}

TEST(CachedStepper, GivesPagesBack) {
  const auto model = golden_model("llama_plain");
  CachedStepper stepper(model, pages_of(4));
  stepper.next({some_ids(60, 1)}, {});
  const int64_t bytes = stepper.cache_bytes();
  EXPECT_EQ(bytes, 2 * 15 * 4 * 2 * 6 * 2 * 4);  // k and v, pages, tokens, G, D, layers, f32
  for (int32_t i = 2; i < 20; ++i) stepper.next({some_ids(60, i)}, {});
  EXPECT_EQ(stepper.cache_bytes(), bytes);
}

TEST(CachedStepper, SmallerDtypesAreWithinTwiceTransformersOwnBf16Error) {
  for (const std::string& name : kModels) {
    if (name.starts_with("gpt2")) continue;
    const auto model = golden_model(name);
    const Golden golden(name + "/expected.safetensors");
    const double allowed = 2 * golden.metadata("bf16_error").get<double>();
    const auto ids = golden["input_ids"].select(0, 0).span<int32_t>();
    for (const DType dtype : {DType::bf16, DType::f16}) {
      CachedStepper stepper(model, pages_of(16, dtype));
      for (size_t n = 1; n <= ids.size(); ++n) {
        const Tensor logits = stepper.next({Ids(ids.begin(), ids.begin() + n)}, {});
        const Tensor expected = golden["logits"].select(0, 0).slice(0, n - 1, n);
        EXPECT_LE(distance(logits, expected), allowed) << name;
      }
    }
  }
}

TEST(CachedStepper, PagesThatAWindowLeftBehindAreLetGoOf) {
  const auto model = golden_model("mistral");
  ASSERT_EQ(model->memory_tokens(), 7);
  CachedStepperOptions options = pages_of(4);
  options.kept_tokens = 5;
  CachedStepper freeing(model, options), keeping(model, pages_of(4));
  Ids text = some_ids(30, 3);
  for (const bool first : {true, false}) {
    const std::vector<int64_t> parents = first ? std::vector<int64_t>{} : std::vector<int64_t>{0};
    const int64_t steps = first ? 1 : 50;
    for (int64_t i = 0; i < steps; ++i) {
      expect_same_bits(freeing.next({text}, parents), keeping.next({text}, parents), "a step");
      EXPECT_LE(freeing.cache_pages(), 4);  // 7 + 5 tokens, and two pages begun
      text.push_back(some_ids(1, static_cast<int32_t>(i))[0]);
    }
  }
  EXPECT_EQ(keeping.cache_pages(), 20);
  text.resize(text.size() - 4);  // still there
  expect_close(freeing.next({text}, {}), anew(*model, text), kTolerance, "a little back");
  EXPECT_EQ(freeing.reused_tokens(), std::ssize(text) - 1);
  text.resize(40);
  expect_close(freeing.next({text}, {}), anew(*model, text), kTolerance, "far back");
  EXPECT_EQ(freeing.reused_tokens(), 0);
}

TEST(CachedStepper, BeamsOfAWindowedModelShareWhatIsLeft) {
  const auto model = golden_model("mistral");
  CachedStepperOptions options = pages_of(4);
  options.kept_tokens = 0;
  CachedStepper freeing(model, options), keeping(model, pages_of(4));
  const BeamOptions beams{.beams = 3, .max_new_tokens = 40};
  EXPECT_EQ(beam_search(freeing, some_ids(20, 2), beams).front().ids,
            beam_search(keeping, some_ids(20, 2), beams).front().ids);
  EXPECT_LT(freeing.cache_pages(), keeping.cache_pages());
}

TEST(SlidingWindow, LeavesOutHalfOfTheRestWheneverItIsFull) {
  Ids text;
  std::vector<Ids> kept;
  for (int32_t id = 0; id < 14; ++id) {
    text.push_back(id);
    kept.push_back(sliding_window(text, 8, 2));
  }
  EXPECT_EQ(kept[7], Ids({0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(kept[8], Ids({0, 1, 5, 6, 7, 8}));
  EXPECT_EQ(kept[10], Ids({0, 1, 5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(kept[11], Ids({0, 1, 8, 9, 10, 11}));
  for (const int64_t sinks : {-1, 7, 8}) {
    expect_error(ErrorCode::invalid_argument, {"sinks", "8 positions"},
                 [&] { sliding_window(text, 8, sinks); });
  }
  EXPECT_EQ(std::ssize(sliding_window(text, 6, 4)), 6);
  expect_error(ErrorCode::invalid_argument, {"4 tokens (sinks", "room for 2", "5 positions"},
               [&] { sliding_window(text, 5, 4); });
}

TEST(CachedStepper, ASlidingWindowIsReadAsATextOfItsOwn) {
  for (const std::string name : {"llama_plain", "mistral", "gpt2_2x5"}) {
    const auto model = golden_model(name);
    const int64_t positions = model->facts().max_tokens;
    CachedStepperOptions options = pages_of(8);
    options.at_end = ContextEnd::slide;
    CachedStepper stepper(model, options);
    Ids text = some_ids(static_cast<size_t>(positions) - 3, 4);
    Tensor logits = stepper.next({text}, {});
    for (int64_t n = 0; n < 2 * positions; ++n) {
      text.push_back(some_ids(1, static_cast<int32_t>(n))[0]);
      logits = stepper.next({text}, std::vector<int64_t>{0});
      const Ids window = sliding_window(text, positions, 4);
      ASSERT_LE(std::ssize(window), positions);
      expect_close(logits, anew(*model, window), kTolerance, name);
    }
  }
}

TEST(CachedStepper, ARowNearTheEndWaitsForOneThatIsReadAnew) {
  const auto model = golden_model("gpt2_2x5");  // a vector for each of 24 positions, no more
  const auto check = [&](CachedStepper& stepper, const Rows& rows,
                         const std::vector<int64_t>& parents) {
    const Tensor logits = stepper.next(rows, parents);
    for (size_t i = 0; i < rows.size(); ++i) {
      expect_close(logits.slice(0, static_cast<int64_t>(i), static_cast<int64_t>(i) + 1),
                   anew(*model, sliding_window(rows[i], 24, 4)), kTolerance, "ragged");
    }
  };
  CachedStepper kept(model, pages_of(8));
  Ids text = some_ids(20, 4);
  check(kept, {text}, {});
  text.push_back(1);
  check(kept, {text, some_ids(18, 5)}, {});
  CachedStepperOptions options = pages_of(8);
  options.at_end = ContextEnd::slide;
  CachedStepper sliding(model, options);
  Rows rows = {some_ids(4, 1), some_ids(9, 2)};
  check(sliding, rows, {});
  for (int32_t n = 0; n < 50; ++n) {
    for (Ids& row : rows) row.push_back(n % 20);
    check(sliding, rows, {0, 1});
  }
}

TEST(CachedStepper, SlidesPastTheModelsPositions) {
  CachedStepperOptions options;
  options.at_end = ContextEnd::slide;
  CachedStepper stepper(golden_model("llama_plain"), options);  // 96 positions
  const Written written = decode(stepper, {1, 2, 3}, {.max_new_tokens = 250});
  EXPECT_EQ(written.ids.size(), 250u);
}

TEST(CachedStepper, GoesOnAfterAnError) {
  const auto model = golden_model("llama_plain");
  CachedStepper stepper(model, pages_of(4));
  Ids text = some_ids(10, 1);
  stepper.next({text}, {});
  Ids wrong = text;
  wrong.push_back(99);
  expect_error(ErrorCode::invalid_argument, {"id 99"}, [&] { stepper.next({wrong}, {}); });
  expect_error(ErrorCode::invalid_argument, {"97 tokens", "96 positions"},
               [&] { stepper.next({some_ids(97, 1)}, {}); });
  text.push_back(4);
  expect_close(stepper.next({text}, {}), anew(*model, text), kTolerance, "after errors");
}

TEST(KvCache, RoomForAKnownLengthIsMadeOnceAndIsNoLarger) {
  const KvCache cache({.page_tokens = 4});
  KvRow row = cache.row();
  cache.reserve({{0, 58}});
  const Tensor keys = Tensor::zeros({1, 2, 9, 3});
  for (int64_t tokens = 0; tokens < 54; tokens += 9) {
    KvRun run({&row}, {9});
    run.put(0, keys, keys);
    run.finish();
    EXPECT_EQ(cache.bytes(), 2 * 15 * 2 * 4 * 3 * 4);  // k and v, pages, G, tokens, D, f32
  }
  EXPECT_EQ(row.tokens(), 54);
}

TEST(KvCache, BadOptionsAreNamed) {
  expect_error(ErrorCode::invalid_argument, {"cache", "f32, bf16 or f16", "i32"},
               [] { KvCache({.dtype = DType::i32}); });
  expect_error(ErrorCode::invalid_argument, {"cache", "at least 1"},
               [] { KvCache({.page_tokens = 0}); });
}

/// While one lives, this process gets few bytes more.
class LittleMemory {
 public:
  LittleMemory() {
    getrlimit(RLIMIT_AS, &before_);
    std::ifstream file("/proc/self/statm");
    rlim_t pages = 0;
    file >> pages;
    rlimit now = before_;
    now.rlim_cur = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + (rlim_t{32} << 20);
    setrlimit(RLIMIT_AS, &now);
  }
  ~LittleMemory() { setrlimit(RLIMIT_AS, &before_); }
  LittleMemory(const LittleMemory&) = delete;
  LittleMemory& operator=(const LittleMemory&) = delete;

 private:
  rlimit before_{};
};

TEST(KvCache, IsAsItWasWhereMemoryIsRefused) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer ends the process instead";
  KvCache cache({.page_tokens = 1 << 20});
  const Tensor k = Tensor::full({1, 1, 1, 16}, 2.0F);  // a page takes 64 MiB
  KvRow first = cache.row(), second = cache.row();
  const auto read = [&](KvRow& row) {
    KvRun run({&row}, {1});
    const KvPages pages = run.put(0, k, k);
    run.finish();
    EXPECT_LT(*pages.table.data<int32_t>(), pages.k.size(0));
    EXPECT_EQ(pages.k.size(0), pages.v.size(0));
  };
  read(first);
  {
    const LittleMemory little;
    expect_error(ErrorCode::out_of_memory, {"refused"}, [&] { read(second); });
  }
  EXPECT_EQ(cache.pages(), 1);
  read(second);
  EXPECT_EQ(cache.pages(), 2);
}

}  // namespace
}  // namespace heed
