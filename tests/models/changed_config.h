#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/expect_error.h"
#include "tests/golden.h"

namespace heed::testing {

/// What a golden checkpoint's config.json is to say instead, and what its refusal must tell.
struct ConfigChange {
  ErrorCode code;
  const char* field;
  Json value;
  std::initializer_list<std::string_view> parts;
};

template <class Load>
void expect_refused(const std::string& golden, const ConfigChange& change, const Load& load) {
  const TemporaryFolder folder;
  std::filesystem::copy(golden_folder() / golden, folder.path(),
                        std::filesystem::copy_options::recursive);
  Json config = read_json(folder / "config.json");
  config[change.field] = change.value;
  std::ofstream(folder / "config.json") << config;
  expect_error(change.code, change.parts, [&] { load(folder.path()); });
}

}  // namespace heed::testing
