// heed train under mpirun: several processes on this machine.

#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <utility>
#include <vector>

#include "heed/base/file.h"
#include "heed/io/csv.h"
#include "heed/io/json.h"
#include "heed/io/safetensors.h"
#include "tests/e2e/program.h"
#include "tests/golden.h"
#include "tests/random_bert.h"

namespace heed::testing {
namespace {

#ifdef HEED_MPIRUN

using Arguments = std::vector<std::string>;

/// As many processes as a test asks for, whoever runs it.
Invocation anyone() {
  return {
      .input = "",
      .environment = {{"ASAN_OPTIONS", "detect_leaks=0"},  // Open MPI's, of modules it has unloaded
                      {"OMPI_ALLOW_RUN_AS_ROOT", "1"},
                      {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
                      {"OMPI_MCA_rmaps_base_oversubscribe", "1"}},
      .output_file = ""};
}

/// Sentences of many lengths.
std::string text_of(int lines) {
  std::string text;
  for (int i = 0; i < lines; ++i) {
    text += i % 3 == 0   ? "the cat sat.\n"
            : i % 3 == 1 ? "a dog ran.\n"
                         : "so it was and will be.\n";
  }
  return text;
}

class Processes : public ::testing::Test {
 protected:
  Processes() {
    write_file(folder_ / "text.txt", text_of(300));
    std::string rows = "text,label\n", pairs;
    for (int i = 0; i < 90; ++i) {
      std::string words = "a";
      for (int n = 0; n < i % 7; ++n) words += " b";
      rows += words + (i % 2 == 0 ? " c,letters\n" : " x30 x31,words\n");
      pairs += words + "\tx " + words + " y\n";
    }
    write_file(folder_ / "rows.csv", rows);
    write_file(folder_ / "pairs.tsv", pairs);
    std::filesystem::create_directory(folder_ / "bert");
    write_random_bert(folder_ / "bert", 32);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  static Arguments under_mpirun(int processes, const Arguments& arguments) {
    Arguments command{HEED_MPIRUN, "-n", std::to_string(processes), HEED_PROGRAM};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
  }
  static Result run(int processes, const Arguments& arguments) {
    if (processes == 1) return run_heed(arguments);
    return Process(under_mpirun(processes, arguments), anyone()).wait();
  }

  Arguments language_model(const std::string& out, const std::string& steps) const {
    return {"train",          "lm",         "--data",          path("text.txt"),
            "--tokenizer",    "characters", "--layers",        "2",
            "--heads",        "2",          "--width",         "32",
            "--block",        "16",         "--batch",         "6",
            "--steps",        steps,        "--dropout",       "0.1",
            "--save-every",   "5",          "--eval-every",    "10",
            "--eval-batches", "5",          "--learning-rate", "1e-3",
            "--accumulate",   "2",          "--schedule",      "constant",
            "--out",          path(out)};
  }
  Arguments classifier(const std::string& out, const Arguments& more) const {
    Arguments all{"train",   "classify",   "--data",  path("rows.csv"),
                  "--model", path("bert"), "--steps", "12",
                  "--block", "16",         "--out",   path(out)};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  std::filesystem::path checkpoint(const std::string& run, int step) const {
    const std::string digits = std::to_string(step);
    return folder_ / run / "checkpoints" / ("step-" + std::string(8 - digits.size(), '0') + digits);
  }
  std::string bytes_of(const std::string& run, int step, const char* file) const {
    return read_file(checkpoint(run, step) / file);
  }

  /// Checks |a - b| / |b| of every tensor of a checkpoint's two files, keys' biases apart: no
  /// softmax sees them, so their gradients are zero but for rounding, of which Adam and its like
  /// make whole steps.
  static void expect_near(const std::filesystem::path& a, const std::filesystem::path& b) {
    for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
      const Checkpoint one = Checkpoint::open(a / file), other = Checkpoint::open(b / file);
      ASSERT_EQ(one.entries().size(), other.entries().size());
      for (const auto& [name, entry] : one.entries()) {
        const Tensor x = one.load(name), y = other.load(name);
        ASSERT_EQ(x.shape(), y.shape()) << name;
        if (x.dtype() != DType::f32) {
          EXPECT_EQ(x.at<int64_t>({0}), y.at<int64_t>({0})) << name;
          continue;
        }
        for (const auto& [begin, end] : compared(name, x.numel())) {
          const Tensor p = x.reshape({-1}).slice(0, begin, end);
          const Tensor q = y.reshape({-1}).slice(0, begin, end);
          EXPECT_LE(l2_distance(p, q), 1e-5 * l2_norm(q)) << name << " from " << begin;
        }
      }
    }
  }
  /// The parts of a tensor, or of what an optimiser keeps for it, that are no keys' biases.
  static std::vector<std::pair<int64_t, int64_t>> compared(const std::string& name, int64_t size) {
    const auto is_of = [&](const char* part) { return name.find(part) != std::string::npos; };
    if (is_of("attention.self.key.bias")) return {};
    if (!is_of("c_attn.bias") && !is_of("in_proj_bias")) return {{0, size}};
    return {{0, size / 3}, {2 * size / 3, size}};
  }

  double last_validation_loss(const std::string& run) const {
    double loss = 0;
    const std::string content = read_file(folder_ / run / "metrics.jsonl");
    for (const std::string_view line : lines_of(content)) {
      const Json json = parse_json(line, run);
      if (json.contains("valid_loss")) loss = json["valid_loss"];
    }
    return loss;
  }

  TemporaryFolder folder_;
};

TEST_F(Processes, AFixedNumberGivesTheSameBitsAndAnotherTheSameNumbers) {
  ASSERT_EQ(run(1, language_model("one", "20")).status, 0);
  const Result three = run(3, language_model("three", "20"));
  ASSERT_EQ(three.status, 0) << three.err;
  EXPECT_NE(three.err.find("by 3 processes"), std::string::npos) << three.err;
  ASSERT_EQ(run(3, language_model("again", "20")).status, 0);
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    EXPECT_EQ(bytes_of("three", 20, file), bytes_of("again", 20, file)) << file;
  }
  expect_near(checkpoint("three", 20), checkpoint("one", 20));
  EXPECT_NEAR(last_validation_loss("three"), last_validation_loss("one"), 1e-5);
  EXPECT_EQ(read_file(folder_ / "three" / "config.json"),
            read_file(folder_ / "one" / "config.json"));
}

TEST_F(Processes, RowsOfManyLengthsWeighTheSame) {
  const Arguments pairs{"train",
                        "translate",
                        "--data",
                        path("pairs.tsv"),
                        "--tokenizer",
                        "characters",
                        "--layers",
                        "1",
                        "--heads",
                        "2",
                        "--width",
                        "16",
                        "--block",
                        "24",
                        "--steps",
                        "10",
                        "--batch",
                        "5",
                        "--dropout",
                        "0.2",
                        "--optimizer",
                        "sgd",
                        "--learning-rate",
                        "0.1",
                        "--label-smoothing",
                        "0.1",
                        "--out"};
  for (const int processes : {1, 4}) {
    Arguments command = pairs;
    command.push_back(path("pairs" + std::to_string(processes)));
    const Result got = run(processes, command);
    ASSERT_EQ(got.status, 0) << got.err;
  }
  expect_near(checkpoint("pairs4", 10), checkpoint("pairs1", 10));
}

TEST_F(Processes, OptimisersAdaptersAndFewRowsAreServed) {
  const std::vector<Arguments> kinds{
      {"--optimizer", "adamw", "--learning-rate", "1e-3", "--batch", "7"},
      {"--optimizer", "adafactor", "--learning-rate", "1e-3", "--batch", "7"},
      {"--optimizer", "sgd", "--learning-rate", "0.1", "--momentum", "0.9", "--batch", "7",
       "--clip", "0.01"},
      {"--optimizer", "sgd", "--learning-rate", "0.1", "--batch", "7"},
      {"--lora-rank", "2", "--lora-targets", "value", "--learning-rate", "1e-3", "--batch", "7"},
      {"--optimizer", "sgd", "--learning-rate", "0.1", "--batch", "2", "--recompute", "--freeze",
       "bert.embeddings"}};
  for (size_t i = 0; i < kinds.size(); ++i) {
    const std::string one = "one" + std::to_string(i), many = "many" + std::to_string(i);
    ASSERT_EQ(run(1, classifier(one, kinds[i])).status, 0);
    const Result got = run(3, classifier(many, kinds[i]));
    ASSERT_EQ(got.status, 0) << got.err;
    SCOPED_TRACE(kinds[i].at(1));
    expect_near(checkpoint(many, 12), checkpoint(one, 12));
  }
}

TEST_F(Processes, ARunGoesOnWithAnotherNumberOfProcesses) {
  ASSERT_EQ(run(2, language_model("whole", "20")).status, 0);
  ASSERT_EQ(run(2, language_model("parts", "10")).status, 0);
  Arguments rest = language_model("parts", "20");
  rest.emplace_back("--resume");
  std::filesystem::copy(
      folder_ / "parts", folder_ / "moved",
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::copy_symlinks);
  const Result same = run(2, rest);
  ASSERT_EQ(same.status, 0) << same.err;
  EXPECT_EQ(bytes_of("parts", 20, "model.safetensors"), bytes_of("whole", 20, "model.safetensors"));
  rest[rest.size() - 2] = path("moved");
  const Result three = run(3, rest);
  ASSERT_EQ(three.status, 0) << three.err;
  expect_near(checkpoint("moved", 20), checkpoint("whole", 20));
}

/// Waits until a started run has written its checkpoint of that step.
bool wait_for(const std::filesystem::path& folder) {
  return wait_until([&] { return std::filesystem::exists(folder); });
}

TEST_F(Processes, ASignalStopsAllAtTheSameStepAndSaves) {
  Process process(under_mpirun(2, language_model("stopped", "100000")), anyone());
  ASSERT_TRUE(wait_for(checkpoint("stopped", 5)));
  kill(process.id(), SIGUSR1);  // mpirun hands it on to all
  const Result got = process.wait();
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_NE(got.err.find("--resume goes on"), std::string::npos) << got.err;
}

TEST_F(Processes, TheDeathOfOneEndsAllAndTheLastCheckpointServes) {
  const std::string pid_file = path("pid");
  // process 1 tells its number before it becomes heed
  const std::string line =
      "[ \"$OMPI_COMM_WORLD_RANK\" = 1 ] && echo $$ > " + pid_file + "; exec \"$0\" \"$@\"";
  Arguments command{HEED_MPIRUN, "-n", "3", "/bin/bash", "-c", line, HEED_PROGRAM};
  const Arguments train = language_model("killed", "100000");
  command.insert(command.end(), train.begin(), train.end());
  Process process(command, anyone());
  ASSERT_TRUE(wait_for(checkpoint("killed", 5)));
  kill(static_cast<pid_t>(std::stol(read_file(pid_file))), SIGKILL);
  EXPECT_NE(process.wait().status, 0);
  Arguments rest = language_model("killed", "10");
  rest.emplace_back("--resume");
  const Result got = run(2, rest);
  EXPECT_EQ(got.status, 0) << got.err;
}

TEST_F(Processes, AFaultIsToldOnce) {
  Arguments wrong = language_model("wrong", "5");
  wrong[3] = path("none.txt");
  const Result got = run(3, wrong);
  EXPECT_NE(got.status, 0);
  const size_t first = got.err.find("none.txt");
  ASSERT_NE(first, std::string::npos) << got.err;
  EXPECT_EQ(got.err.find("none.txt", first + 1), std::string::npos) << got.err;
}

#else

TEST(Processes, WithoutMpiSeveralAreRefused) {
  const Result got =
      run_heed({"train", "lm", "--data", "x", "--out", "y"},
               {.input = "", .environment = {{"OMPI_COMM_WORLD_SIZE", "2"}}, .output_file = ""});
  EXPECT_EQ(got.status, 2);
  EXPECT_NE(got.err.find("without MPI"), std::string::npos) << got.err;
}

#endif

}  // namespace
}  // namespace heed::testing
