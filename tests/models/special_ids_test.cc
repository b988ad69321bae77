#include "heed/models/special_ids.h"

#include <gtest/gtest.h>

#include "heed/base/file.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

using testing::TemporaryFolder;
using Ids = std::vector<int32_t>;

TEST(SpecialIds, GenerationConfigComesBeforeConfig) {
  const TemporaryFolder folder;
  write_file(folder / "config.json",
             R"({"bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 7})");
  SpecialIds ids = SpecialIds::read(folder.path());
  EXPECT_EQ(ids.begin, 1);
  EXPECT_EQ(ids.end, Ids({2}));
  EXPECT_EQ(ids.decoder_start, 7);
  write_file(folder / "generation_config.json",
             R"({"bos_token_id": null, "eos_token_id": [5, 6]})");
  ids = SpecialIds::read(folder.path());
  EXPECT_EQ(ids.begin, 1);
  EXPECT_EQ(ids.end, Ids({5, 6}));
}

TEST(SpecialIds, ATranslationBeginsAsTextsDoIfNothingElseIsSaid) {
  const TemporaryFolder folder;
  EXPECT_FALSE(SpecialIds::read(folder.path()).decoder_start);
  write_file(folder / "config.json", R"({"bos_token_id": 3})");
  EXPECT_EQ(SpecialIds::read(folder.path()).decoder_start, 3);
}

TEST(SpecialIds, ASourceEndsWithOneEndId) {
  const SpecialIds ids{.begin = 1, .end = {2, 9}, .decoder_start = 1};
  EXPECT_EQ(ids.as_source({5, 6}), Ids({5, 6, 2}));
  EXPECT_EQ(ids.as_source({5, 9}), Ids({5, 9}));
  EXPECT_EQ(ids.as_source({}), Ids({2}));
  EXPECT_EQ(SpecialIds{}.as_source({5}), Ids({5}));
}

TEST(SpecialIds, WhatIsNoIdIsRefused) {
  const TemporaryFolder folder;
  const auto expect_refused = [&](const char* json, const char* field) {
    write_file(folder / "config.json", json);
    expect_error(ErrorCode::corrupt_data, {field}, [&] { SpecialIds::read(folder.path()); });
  };
  expect_refused(R"({"bos_token_id": -1})", "bos_token_id");
  expect_refused(R"({"eos_token_id": "x"})", "eos_token_id");
  expect_refused(R"({"eos_token_id": [1, -2]})", "eos_token_id");
  expect_refused(R"({"decoder_start_token_id": 1e3})", "decoder_start_token_id");
}

}  // namespace
}  // namespace heed
