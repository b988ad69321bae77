#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/expect_error.h"
#include "tests/golden.h"

namespace heed::testing {

/// A golden checkpoint's folder in which config.json says something else: change(config) makes it.
class ChangedGolden {
 public:
  template <class Change>
  ChangedGolden(const std::string& golden, const Change& change) {
    std::filesystem::copy(golden_folder() / golden, folder_.path(),
                          std::filesystem::copy_options::recursive);
    Json config = read_json(folder_ / "config.json");
    change(config);
    std::ofstream(folder_ / "config.json") << config;
  }
  const std::filesystem::path& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

/// What a golden checkpoint's config.json is to say instead, and what its refusal must tell.
struct ConfigChange {
  ErrorCode code;
  const char* field;
  Json value;
  std::initializer_list<std::string_view> parts;
};

template <class Load>
void expect_refused(const std::string& golden, const ConfigChange& change, const Load& load) {
  const ChangedGolden folder(golden, [&](Json& config) { config[change.field] = change.value; });
  expect_error(change.code, change.parts, [&] { load(folder.path()); });
}

}  // namespace heed::testing
