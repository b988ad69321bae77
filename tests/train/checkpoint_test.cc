#include "heed/train/checkpoint.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <chrono>
#include <fstream>
#include <random>
#include <thread>

#include "heed/base/file.h"
#include "heed/base/log.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/random_tensor.h"

namespace heed {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryFolder;

TrainingState state_at(int64_t step, int64_t rows = 4) {
  const auto seed = static_cast<unsigned>(step);
  return {.step = step,
          .weights = {{"b.weight", testing::random_tensor({rows, 3}, seed)},
                      {"a.bias", testing::random_tensor({3}, seed + 1)}},
          .optimizer = {{"a.bias.step", Tensor::full({1}, static_cast<float>(step))}},
          .progress = {{"position", step * 10}, {"seed", UINT64_MAX}, {"best", 0.1}},
          .run = {{"data", {{"bytes", 100}}}}};
}

void expect_state(const TrainingState& found, const TrainingState& expected) {
  EXPECT_EQ(found.step, expected.step);
  EXPECT_EQ(found.progress, expected.progress);
  EXPECT_EQ(found.run, expected.run);
  const NamedTensors copies{{"b.weight", expected.weights[0].second.clone()},
                            {"a.bias", Tensor::zeros({3})}};
  copy_tensors(found.weights, copies, "weights");
  testing::expect_same_bits(copies[0].second, expected.weights[0].second, "b.weight");
  testing::expect_same_bits(copies[1].second, expected.weights[1].second, "a.bias");
  ASSERT_EQ(found.optimizer.size(), 1U);
  testing::expect_same_bits(found.optimizer[0].second, expected.optimizer[0].second, "step");
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Checkpoint, HoldsAllOfAState) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder / "run" / "checkpoints");
  EXPECT_FALSE(checkpoints.load_newest());
  const fs::path path = checkpoints.save(
      state_at(7), false, [](const fs::path& into) { write_file(into / "config.json", "{}"); });
  EXPECT_EQ(path.filename(), "step-00000007");
  EXPECT_EQ(names_in(path), (std::vector<std::string>{"config.json", "model.safetensors",
                                                      "optimizer.safetensors", "state.json"}));
  expect_state(load_checkpoint(path), state_at(7));
  expect_state(*checkpoints.load_newest(), state_at(7));
}

TEST(Checkpoint, KeepsTheNewestAndTheBest) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder.path(), 2);
  for (const int64_t step : {10, 20, 30, 40, 50}) checkpoints.save(state_at(step), step == 20);
  EXPECT_EQ(checkpoints.steps(), (std::vector<int64_t>{20, 40, 50}));
  EXPECT_EQ(checkpoints.best(), checkpoints.path_of(20));
  EXPECT_EQ(fs::canonical(folder / "best").filename(), "step-00000020");
  checkpoints.save(state_at(60), true);
  EXPECT_EQ(checkpoints.steps(), (std::vector<int64_t>{50, 60}));
  EXPECT_EQ(checkpoints.best(), checkpoints.path_of(60));
}

TEST(Checkpoint, ReplacesAStepThatIsMadeAgain) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder.path(), 1);
  checkpoints.save(state_at(10), false);
  checkpoints.save(state_at(20), false);
  fs::create_directory(checkpoints.path_of(30));  // a torn later one neither counts nor goes
  checkpoints.save(state_at(20), false);
  EXPECT_EQ(checkpoints.steps(), (std::vector<int64_t>{20, 30}));
  expect_state(*checkpoints.load_newest(), state_at(20));
}

TEST(Checkpoint, PassesOverATornOneWithAWarning) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder.path());
  checkpoints.save(state_at(1), false);
  checkpoints.save(state_at(2), false);
  fs::resize_file(checkpoints.path_of(2) / "model.safetensors", 50);
  std::string told;
  set_log_sink([&](LogLevel, std::string_view message) { told = message; });
  expect_state(*checkpoints.load_newest(), state_at(1));
  set_log_sink({});
  EXPECT_NE(told.find("model.safetensors is damaged: needed {\"bytes\":"), std::string::npos)
      << told;
  EXPECT_NE(told.find("passed over"), std::string::npos) << told;
}

TEST(Checkpoint, MarksTheBestThatAKillLeftUnmarked) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder.path());
  checkpoints.save(state_at(1), true);
  checkpoints.save(state_at(2), true);
  fs::remove(folder / "best");
  fs::create_directory_symlink("step-00000001", folder / "best");
  EXPECT_TRUE(checkpoints.load_newest()->best);
  EXPECT_EQ(checkpoints.best(), checkpoints.path_of(2));
}

TEST(Checkpoint, RefusesWhatIsTornOrOfSomethingElse) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder.path());
  const auto expect_refused = [&](ErrorCode code, std::initializer_list<std::string_view> why,
                                  auto damage) {
    const fs::path path = checkpoints.save(state_at(5), false);
    damage(path);
    expect_error(code, why, [&] { load_checkpoint(path); });
    expect_error(code, why, [&] { checkpoints.load_newest(); });
    fs::remove_all(path);
  };
  const auto replace = [](const fs::path& file, const std::string& what, const std::string& with) {
    std::string content = read_file(file);
    content.replace(content.find(what), what.size(), with);
    write_file(file, content);
  };
  expect_refused(ErrorCode::not_found, {"step-00000005", "needed 'optimizer.safetensors'"},
                 [](const fs::path& path) { fs::remove(path / "optimizer.safetensors"); });
  expect_refused(ErrorCode::not_found, {"needed state.json", "no training checkpoint"},
                 [](const fs::path& path) { fs::remove(path / "state.json"); });
  expect_refused(ErrorCode::corrupt_data, {"state.json is damaged"}, [&](const fs::path& path) {
    replace(path / "state.json", "\"step\": 5", "\"step\": 6");
  });
  expect_refused(ErrorCode::corrupt_data, {"not that of a training checkpoint"},
                 [&](const fs::path& path) { write_file(path / "state.json", "[1]"); });
  expect_refused(ErrorCode::unsupported, {"needed version 1", "found 2"},
                 [&](const fs::path& path) {
                   replace(path / "state.json", "\"version\": 1", "\"version\": 2");
                 });
  expect_refused(ErrorCode::corrupt_data, {"model.safetensors is damaged", "crc32c"},
                 [](const fs::path& path) {
                   std::fstream file(path / "model.safetensors", std::ios::in | std::ios::out);
                   file.seekp(-1, std::ios::end);
                   file.put('\x55');
                 });
  expect_error(ErrorCode::not_found, {"there is no such folder"},
               [&] { load_checkpoint(folder / "nowhere"); });
}

TEST(Checkpoint, RemovesWhatAKillLeavesAndNothingElse) {
  const TemporaryFolder folder;
  const std::vector<std::string> others{"best.12.tmp",
                                        "best.notes.tmp",
                                        "step-00000001",
                                        "step-00000001.12.tmp.gz",
                                        "step-00000001.mine.tmp",
                                        "step-00000001.tmp",
                                        "step-00000002.12.tmp",
                                        "step-1.12.tmp",
                                        "step-notes.12.tmp"};
  for (const std::string& name : others) {
    if (name == "best.12.tmp" || name == "step-00000002.12.tmp") {  // files: it makes no such
      write_file(folder / name, "mine");
      continue;
    }
    fs::create_directory(folder / name);
    write_file(folder / name / "notes.txt", "mine");
  }
  for (const char* name : {"step-00000003.12.tmp", "step-00000003.old.12.tmp"}) {
    fs::create_directory(folder / name);
    write_file(folder / name / "model.safetensors", "torn");
  }
  fs::create_directory_symlink("step-00000001", folder / "best.13.tmp");
  const CheckpointFolder checkpoints(folder.path());
  EXPECT_EQ(names_in(folder.path()), others);
}

TEST(Checkpoint, OneProcessWritesAtATime) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder.path());
  expect_error(ErrorCode::invalid_argument, {"another process writes"},
               [&] { CheckpointFolder other(folder.path()); });
}

TEST(Checkpoint, AFullDiskLosesNothing) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder.path(), 1);
  checkpoints.save(state_at(1), true);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small{5000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_error(ErrorCode::io_failure, {"model.safetensors", "too large"},
               [&] { checkpoints.save(state_at(2, 4000), true); });
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, old_handler);
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"best", "step-00000001"}));
  expect_state(*checkpoints.load_newest(), state_at(1));
}

TEST(Checkpoint, SaysWhatChangedBetweenRuns) {
  const Json saved{{"data", {{"bytes", 100}, {"crc32c", "aa"}}}, {"settings", {{"batch", 8}}}};
  check_same_run(saved, saved, "here");
  Json now = saved;
  now["data"]["bytes"] = 120;
  now["settings"]["width"] = 64;
  expect_error(ErrorCode::invalid_argument,
               {"resume: the run of here is another", "data.bytes is 120 now and was 100",
                "settings.width is 64 now and was absent"},
               [&] { check_same_run(now, saved, "here"); });
}

TEST(Checkpoint, WhatIsToldOfATokenizerBesideItsFileMayChange) {
  const Json saved{{"tokenizer", {{"tokenizer.json", 1}, {"tokenizer_config.json", 2}}}};
  Json now = saved;
  now["tokenizer"]["tokenizer_config.json"] = 3;
  check_same_run(now, saved, "here");
  now["tokenizer"]["tokenizer.json"] = 4;
  expect_error(ErrorCode::invalid_argument, {"tokenizer.tokenizer.json is 4 now and was 1;"},
               [&] { check_same_run(now, saved, "here"); });
  const Json of_config{{"tokenizer", {{"vocab.txt", 1}, {"tokenizer_config.json", 2}}}};
  Json changed = of_config;
  changed["tokenizer"]["tokenizer_config.json"] = 3;
  expect_error(ErrorCode::invalid_argument, {"tokenizer_config.json is 3 now and was 2"},
               [&] { check_same_run(changed, of_config, "here"); });
}

TEST(Checkpoint, DescribesAFileByItsContent) {
  const TemporaryFolder folder;
  write_file(folder / "data", "123456789");
  EXPECT_EQ(describe_file(folder / "data").dump(), R"({"bytes":9,"crc32c":"e3069283"})");
}

/// Saves checkpoints of ever later steps until it is killed.
[[noreturn]] void save_for_ever(const fs::path& folder) {
  try {
    CheckpointFolder checkpoints(folder, 2);
    const auto newest = checkpoints.load_newest();
    for (int64_t step = newest ? newest->step + 1 : 1;; ++step) {
      checkpoints.save(state_at(step), step % 3 == 0);
    }
  } catch (const std::exception&) {
    _exit(1);
  }
}

/// Of a folder's first checkpoint: tells how fast this machine is now.
std::chrono::steady_clock::duration time_of_a_save() {
  const TemporaryFolder folder;
  const auto start = std::chrono::steady_clock::now();
  CheckpointFolder(folder.path()).save(state_at(1), true);
  return std::chrono::steady_clock::now() - start;
}

TEST(Checkpoint, AKillAtAnyMomentLeavesOnlyWholeOnes) {
  const TemporaryFolder folder;
  const auto save_time = time_of_a_save();
  std::mt19937 random(5);
  int64_t last = 0;
  // Twelve, or as many as it takes a child that others keep from running to come anywhere.
  for (int kill_count = 0; kill_count < 12 || (last <= 3 && kill_count < 240); ++kill_count) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) save_for_ever(folder.path());
    const auto longest = 4 * (1 + kill_count / 12) * save_time;
    std::this_thread::sleep_for(random() % 1000 * longest / 1000);
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child failed by itself";

    const CheckpointFolder checkpoints(folder.path(), 2);
    for (const std::string& name : names_in(folder.path())) {
      EXPECT_FALSE(name.ends_with(".tmp")) << name;
    }
    for (const int64_t step : checkpoints.steps()) {
      expect_state(load_checkpoint(checkpoints.path_of(step)), state_at(step));
    }
    const auto newest = checkpoints.load_newest();
    const int64_t reached = newest ? newest->step : 0;
    EXPECT_GE(reached, last);
    last = reached;
    EXPECT_EQ(checkpoints.best().has_value(), last >= 3);
  }
  EXPECT_GT(last, 3);
}

}  // namespace
}  // namespace heed
