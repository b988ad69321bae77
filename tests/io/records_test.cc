#include "heed/io/records.h"

#include <gtest/gtest.h>

#include "tests/expect_error.h"

namespace heed {
namespace {

/// {"text", its line} of each.
std::vector<std::pair<std::string, int64_t>> told(const std::vector<TextRecord>& records) {
  std::vector<std::pair<std::string, int64_t>> all;
  for (const TextRecord& record : records) all.emplace_back(record.text, record.line);
  return all;
}
using Told = std::vector<std::pair<std::string, int64_t>>;

TEST(RecordFormat, IsTheEndingsInUpperOrLowerCase) {
  for (const char* name : {"a.jsonl", "a.NdJson", "folder.csv/b.JSONL"}) {
    EXPECT_EQ(record_format(name), RecordFormat::json_lines) << name;
  }
  for (const char* name : {"a.csv", "a.b.CSV"}) EXPECT_EQ(record_format(name), RecordFormat::csv);
  for (const char* name : {"", "-", "a.txt", "csv", ".csv", "a.json", "a.csv/b", "a.csv.gz"}) {
    EXPECT_EQ(record_format(name), RecordFormat::none) << name;
  }
}

TEST(JsonLineRecords, AreTheFieldsOfEveryLineThatIsNotEmpty) {
  EXPECT_EQ(told(json_line_records("{\"text\": \"a\\n\\u00e9\", \"n\": 1}\r\n\n \t\n"
                                   "{\"n\": {\"text\": 2}, \"text\": \"\"}",
                                   "text", "f")),
            (Told{{"a\n\u00e9", 1}, {"", 4}}));
  EXPECT_EQ(told(json_line_records("\xEF\xBB\xBF{\"\": \"x\"}\n", "", "f")), (Told{{"x", 1}}));
  EXPECT_TRUE(json_line_records("", "text", "f").empty());
}

TEST(JsonLineRecords, FaultsNameTheLine) {
  const auto refused = [](ErrorCode code, std::initializer_list<std::string_view> parts,
                          const std::string& second) {
    expect_error(code, parts, [&] {
      json_line_records("{\"text\": \"a\"}\n" + second + "\n{", "text", "f.jsonl");
    });
  };
  refused(ErrorCode::corrupt_data, {"f.jsonl:2", "a JSON object a line"}, "[\"a\"]");
  refused(ErrorCode::corrupt_data, {"f.jsonl:2"}, "{\"text\": ");
  refused(ErrorCode::invalid_argument, {"f.jsonl:2", "'text'", "body, title"},
          R"({"title": "a", "n": 1, "body": "b"})");
  refused(ErrorCode::invalid_argument, {"f.jsonl:2", "'text'", "it has none"}, R"({"text": 1})");
  refused(ErrorCode::corrupt_data, {"f.jsonl:3"}, "");
}

TEST(CsvRecords, AreTheCellsUnderAName) {
  const std::string content = "\xEF\xBB\xBFname,text\r\nx,\"a, \"\"b\"\"\nc\"\r\n\r\ny,\nz, d \n";
  EXPECT_EQ(told(csv_records(content, "text", "f")),
            (Told{{"a, \"b\"\nc", 2}, {"", 5}, {" d ", 6}}));
  EXPECT_EQ(told(csv_records(content, "name", "f")), (Told{{"x", 2}, {"y", 5}, {"z", 6}}));
  EXPECT_EQ(told(csv_records("text\n\"\"\n\nb\n", "text", "f")), (Told{{"", 2}, {"b", 4}}));
  EXPECT_TRUE(csv_records("", "text", "f").empty());
  EXPECT_TRUE(csv_records("text\n", "text", "f").empty());
}

TEST(CsvRecords, FaultsNameTheLine) {
  const auto refused = [](ErrorCode code, std::initializer_list<std::string_view> parts,
                          const std::string& content) {
    expect_error(code, parts, [&] { csv_records(content, "text", "f.csv"); });
  };
  refused(ErrorCode::invalid_argument, {"f.csv", "no column 'text'", "name, body"},
          "name,body\na,b\n");
  refused(ErrorCode::corrupt_data, {"f.csv:3", "2 cells", "found 1"}, "name,text\na,b\nc\n");
  refused(ErrorCode::corrupt_data, {"f.csv:2", "never closed"}, "text\n\"a\nb\n");
  refused(ErrorCode::corrupt_data, {"f.csv:2", "a comma or a new line"}, "text\n\"a\"b\n");
}

}  // namespace
}  // namespace heed
