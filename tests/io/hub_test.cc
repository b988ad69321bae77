#include "heed/io/hub.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>

#include "heed/base/file.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

using testing::TemporaryFolder;

namespace fs = std::filesystem;

/// Sets or unsets variables, and puts the old values back.
class Environment {
 public:
  ~Environment() {
    for (const auto& [name, value] : old_) apply(name, value);
  }
  void set(const char* name, std::optional<std::string> value) {
    const char* old = std::getenv(name);
    old_.emplace(name, old == nullptr ? std::nullopt : std::optional<std::string>(old));
    apply(name, value);
  }

 private:
  static void apply(const std::string& name, const std::optional<std::string>& value) {
    if (value) {
      ::setenv(name.c_str(), value->c_str(), 1);
    } else {
      ::unsetenv(name.c_str());
    }
  }
  std::map<std::string, std::optional<std::string>> old_;
};

class Hub : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name :
         {"HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HF_HUB_CACHE", "HOME"}) {
      environment_.set(name, std::nullopt);
    }
    environment_.set("HF_HUB_CACHE", folder_.path().string());
  }

  /// models--ORG--NAME with one revision; its config.json is a link to a blob, as the hub has it.
  fs::path add(const std::string& folder, const std::string& revision, bool with_ref = true) {
    const fs::path model = folder_ / folder;
    const fs::path snapshot = model / "snapshots" / revision;
    fs::create_directories(snapshot);
    fs::create_directories(model / "blobs");
    fs::create_directories(model / "refs");
    write_file(model / "blobs" / revision, "{}");
    fs::create_symlink("../../blobs/" + revision, snapshot / "config.json");
    if (with_ref) write_file(model / "refs/main", revision + "\n");
    return snapshot;
  }

  Environment environment_;
  TemporaryFolder folder_;
};

TEST_F(Hub, TheCacheIsWhereTheVariablesSay) {
  EXPECT_EQ(hub_cache(), folder_.path());
  environment_.set("HF_HUB_CACHE", "");
  environment_.set("HOME", "/home/me");
  EXPECT_EQ(hub_cache(), "/home/me/.cache/huggingface/hub");
  environment_.set("XDG_CACHE_HOME", "/cache");
  EXPECT_EQ(hub_cache(), "/cache/huggingface/hub");
  environment_.set("HF_HOME", "~/hf");
  EXPECT_EQ(hub_cache(), "/home/me/hf/hub");
  environment_.set("HUGGINGFACE_HUB_CACHE", "/old");
  EXPECT_EQ(hub_cache(), "/old");
}

TEST_F(Hub, AModelIsFoundByFullAndShortName) {
  const fs::path a = add("models--org--Model-A", "abc");
  const fs::path legacy = add("models--legacy", "def");
  add("models--one--twin", "1");
  add("models--two--twin", "2");
  EXPECT_EQ(find_model("org/Model-A"), a);
  EXPECT_EQ(find_model("Model-A"), a);
  EXPECT_EQ(find_model("model-a"), a);
  EXPECT_EQ(find_model("legacy"), legacy);
  EXPECT_EQ(read_file(find_model("Model-A") / "config.json"), "{}");
  expect_error(ErrorCode::invalid_argument, {"'twin'", "one/twin, two/twin", "full name"},
               [] { find_model("twin"); });
  ASSERT_EQ(cached_models().size(), 4);
  EXPECT_EQ(cached_models()[0].name, "legacy");
  EXPECT_EQ(cached_models()[2].name, "org/Model-A");
}

TEST_F(Hub, RefsMainChoosesTheRevision) {
  const fs::path first = add("models--org--m", "one");
  add("models--org--m", "two", /*with_ref=*/false);
  EXPECT_EQ(find_model("org/m"), first);
  write_file(folder_ / "models--org--m/refs/main", "../../../../etc");  // never followed
  fs::last_write_time(first, fs::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_EQ(find_model("org/m"), first);
  fs::create_directories(folder_ / "models--org--empty/snapshots");
  expect_error(ErrorCode::not_found, {"org/empty"}, [] { find_model("org/empty"); });
}

TEST_F(Hub, APathIsUsedAsItIs) {
  const TemporaryFolder other;
  EXPECT_EQ(find_model(other.path().string()), other.path());
  write_file(other / "x.safetensors", "");
  EXPECT_EQ(find_model((other / "x.safetensors").string()), other / "x.safetensors");
}

TEST_F(Hub, AMissingModelSaysWhereItLookedAndWhatIsThere) {
  expect_error(ErrorCode::not_found, {"'org/none'", folder_.path().string(), "holds none"},
               [] { find_model("org/none"); });
  add("models--org--MiniLM-L6", "abc");
  expect_error(ErrorCode::not_found, {"holds org/MiniLM-L6", "did you mean org/MiniLM-L6?"},
               [] { find_model("org/MiniLM-L12"); });
  for (const char* name : {"", "../etc", "a/../b", "a/b/c", "/no/such/folder", "x\ny"}) {
    expect_error(ErrorCode::not_found, {"found neither"}, [&] { find_model(name); });
  }
  environment_.set("HF_HUB_CACHE", "/no/such/cache");
  EXPECT_TRUE(cached_models().empty());
}

TEST_F(Hub, AFolderWithOneGgufFileStandsForIt) {
  const fs::path snapshot = add("models--org--small", "abc");
  const fs::path file = snapshot / "small.Q4_1.gguf";
  write_file(file, "GGUF");
  EXPECT_EQ(find_model("org/small"), snapshot);  // config.json comes first
  fs::remove(snapshot / "config.json");
  EXPECT_EQ(find_model("org/small"), file);
  EXPECT_EQ(find_model("small"), file);
  EXPECT_EQ(find_model(snapshot.string()), file);
  EXPECT_EQ(find_model(file.string()), file);
  write_file(snapshot / "small.Q8_0.gguf", "GGUF");
  expect_error(ErrorCode::invalid_argument, {"small.Q4_1.gguf, small.Q8_0.gguf", "path of one"},
               [] { find_model("small"); });
}

}  // namespace
}  // namespace heed
