#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "heed/base/error.h"
#include "heed/io/hub.h"

// Where tests find data and models, and what they do where there is none.

namespace heed::testing {

/// The variable's value, empty if unset.
inline std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// Test data shared between checkouts: HEED_DATA, else ../shared/data beside the project. Empty if
/// there is none.
inline std::filesystem::path data_folder() {
  std::filesystem::path folder = environment("HEED_DATA");
  if (folder.empty()) folder = std::filesystem::path(HEED_SOURCE_DIR) / ".." / "shared" / "data";
  return std::filesystem::is_directory(folder) ? folder : std::filesystem::path();
}

/// all-MiniLM-L6-v2 in the hub's cache; empty if it is not there.
inline std::filesystem::path model_folder() {
  try {
    return find_model("sentence-transformers/all-MiniLM-L6-v2");
  } catch (const Error&) {
    return {};
  }
}

/// A folder of tests/golden.
inline std::filesystem::path golden_folder() {
  return std::filesystem::path(HEED_SOURCE_DIR) / "tests" / "golden";
}

/// A new empty folder that goes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "heed-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw Error(ErrorCode::io_failure, "mkdtemp: " + name);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace heed::testing

/// Skips the test if the folder is empty; fails it where the variable (HEED_REQUIRE_DATA,
/// HEED_REQUIRE_MODEL) is 1, as `./dev check` sets it: what is there must be tested.
#define HEED_NEED(folder, variable, how)                                             \
  if ((folder).empty()) {                                                            \
    if (::heed::testing::environment(variable) == "1") FAIL() << "missing: " << how; \
    GTEST_SKIP() << "missing: " << how;                                              \
  }                                                                                  \
  static_assert(true, "a semicolon follows")

/// auto data = data_folder(); HEED_NEED_DATA(data);
#define HEED_NEED_DATA(folder) \
  HEED_NEED(folder, "HEED_REQUIRE_DATA", "the shared test data; HEED_DATA names their folder")
/// auto model = model_folder(); HEED_NEED_MODEL(model);
#define HEED_NEED_MODEL(folder)           \
  HEED_NEED(folder, "HEED_REQUIRE_MODEL", \
            "all-MiniLM-L6-v2 in the hub's cache; ./dev demo fetches it")
