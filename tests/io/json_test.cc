#include "heed/io/json.h"

#include <gtest/gtest.h>

#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

using testing::TemporaryFolder;

void expect_bad(std::string_view text, std::initializer_list<std::string_view> parts) {
  SCOPED_TRACE(text.substr(0, 60));
  expect_error(ErrorCode::corrupt_data, parts, [&] { parse_json(text, "config.json"); });
}

TEST(Json, ErrorsNameThePlace) {
  EXPECT_EQ(parse_json(R"({"a": [1, 2.5, "ü"]})", "x")["a"][2], "ü");
  expect_bad("", {"config.json: needed JSON, found nothing"});
  expect_bad("{\n  \"a\": }", {"at byte 9 (line 2, column 8)", "unexpected '}'"});
  expect_bad("{\"a\": 1} x", {"at byte 9 (line 1, column 10)", "expected end of input"});
  expect_bad("[\"\xff\"]", {"UTF-8", "at byte 2"});
  expect_bad("[1", {"at byte 2"});
  expect_bad("[1e999]", {"range of a double"});
  expect_bad("[NaN]", {"at byte 1", "invalid literal"});
  expect_bad("[\"" + std::string(100000, 'a'), {"missing closing quote"});
}

TEST(Json, DepthIsBounded) {
  const std::string open(128, '[');
  const std::string close(128, ']');
  EXPECT_TRUE(parse_json(open + close, "x").is_array());
  expect_bad(open + "[" + close + "]", {"more than 128 levels of nesting at byte 128"});
  expect_bad(std::string(10'000'000, '['), {"more than 128 levels"});
  EXPECT_EQ(parse_json(R"(["\"[[{\\"])", "x")[0], "\"[[{\\");  // brackets in strings do not count
  EXPECT_EQ(parse_json("[\"" + std::string(1000, '[') + "\"]", "x").size(), 1);
}

TEST(Json, DuplicateKeys) {
  const std::string text = R"({"a": {"b": 1, "c": [{"b": 2}], "b": 3}})";
  EXPECT_EQ(parse_json(text, "x")["a"]["b"], 3);
  expect_error(ErrorCode::corrupt_data, {"the key 'b' twice"},
               [&] { parse_json(text, "x", DuplicateKeys::refuse); });
  EXPECT_EQ(parse_json(R"([{"a":1},{"a":{"a":2}}])", "x", DuplicateKeys::refuse).size(), 2);
}

TEST(Json, ALargeObjectsMembersAreHandedOut) {
  std::string seen;
  const auto take = [&](const std::string& key, const Json& value) {
    seen += key + "=" + value.dump() + " ";
  };
  const std::string text =
      R"({"vocab": {"x": 1}, "m": {"a": {"b": 2}, "vocab": {"b": 1, "a": {"vocab": 3}, "c": [4]},)"
      R"( "d": [{"vocab": {"y": 5}}]}, "vocab2": {"z": 6}})";
  Json expected = parse_json(text, "x");
  expected["m"]["vocab"] = Json::object();
  EXPECT_EQ(parse_json(text, "x", {.path = {"m", "vocab"}, .take = take}), expected);
  EXPECT_EQ(seen, "b=1 a={} c=[] ");
  seen.clear();
  parse_json(R"({"m": {"vocab": [1, {"a": 2}, 3]}, "n": [[{"vocab": 1}]]})", "x",
             {.path = {"m", "vocab"}, .take = take});
  EXPECT_EQ(seen, "");
}

TEST(Json, AMissingFileIsNotFound) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::not_found, {"config.json"}, [&] { read_json(folder / "config.json"); });
}

}  // namespace
}  // namespace heed
