#include <gtest/gtest.h>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/io/npy.h"
#include "heed/train/data_columns.h"
#include "heed/train/data_masking.h"
#include "heed/train/data_pairs.h"
#include "heed/train/data_rows.h"
#include "heed/train/data_text.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

using testing::TemporaryFolder;

TokenStream counting(int32_t size) {
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < size; ++i) ids.push_back(i);
  return TokenStream(Tensor::from(ids, {size}));
}

std::vector<int32_t> row_of(const Tensor& table, int64_t r) {
  const auto row = table.select(0, r).span<int32_t>();
  return {row.begin(), row.end()};
}

TEST(TextData, WindowsHoldWhatFollows) {
  const TokenStream tokens = counting(50);
  const TextBatch batch = random_windows(tokens, 6, 8, 1, 2);
  EXPECT_EQ(batch.tokens, 48);
  for (int64_t r = 0; r < 6; ++r) {
    const auto ids = row_of(batch.ids, r), targets = row_of(batch.targets, r);
    for (size_t t = 0; t < 8; ++t) {
      EXPECT_EQ(ids[t], ids[0] + static_cast<int32_t>(t));
      EXPECT_EQ(targets[t], ids[t] + 1);
    }
  }
  EXPECT_EQ(row_of(random_windows(tokens, 6, 8, 1, 2).ids, 3), row_of(batch.ids, 3));
  EXPECT_NE(row_of(random_windows(tokens, 6, 8, 1, 3).ids, 3), row_of(batch.ids, 3));
}

TEST(TextData, EveryPlaceIsDrawn) {
  std::vector<int> seen(4);  // 11 tokens have 4 places for 7 and the next
  for (int64_t number = 0; number < 100; ++number) {
    ++seen.at(static_cast<size_t>(row_of(random_windows(counting(11), 1, 7, 0, number).ids, 0)[0]));
  }
  for (const int count : seen) EXPECT_GT(count, 5);
}

TEST(TextData, WindowsInOrderReachEveryTokenOnce) {
  const TokenStream tokens = counting(20);
  EXPECT_EQ(windows_in_order(tokens, 8), 3);
  const TextBatch all = windows_in_order(tokens, 0, 9, 8);
  EXPECT_EQ(all.tokens, 19);
  EXPECT_EQ(row_of(all.targets, 0), (std::vector<int32_t>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(row_of(all.targets, 2),
            (std::vector<int32_t>{17, 18, 19, -100, -100, -100, -100, -100}));
  EXPECT_EQ(windows_in_order(counting(17), 8), 2);
  EXPECT_EQ(windows_in_order(counting(1), 8), 0);
}

TEST(TextData, SplitsAsNanoGpt) {
  const TextSplit split = split_text(counting(1115), 0.9, "data");
  EXPECT_EQ(split.train.size(), 1003);
  EXPECT_EQ(split.valid.size(), 112);
  expect_error(ErrorCode::invalid_argument, {"0 for validation"},
               [&] { split_text(counting(5), 1.0, "data"); });
}

TEST(TextData, RefusesShortTextsAndForeignIds) {
  expect_error(ErrorCode::invalid_argument, {"shorten"},
               [&] { random_windows(counting(8), 1, 8, 0, 0); });
  const TemporaryFolder folder;
  write_npy(folder / "ids.npy", Tensor::from(std::vector<int32_t>{1, 2, 99}, {3}));
  expect_error(ErrorCode::invalid_argument, {"id 99 at 2"},
               [&] { TokenStream::read(folder / "ids.npy", nullptr, 50); });
  EXPECT_EQ(TokenStream::read(folder / "ids.npy", nullptr, 100).size(), 3);
  write_file(folder / "ids.bin", std::string("\x05\x00\x01\x01", 4));
  int32_t ids[2];
  TokenStream::read(folder / "ids.bin", nullptr, 300).copy(0, 2, ids);
  EXPECT_EQ(ids[0], 5);
  EXPECT_EQ(ids[1], 257);
  write_file(folder / "odd.bin", "abc");
  expect_error(ErrorCode::corrupt_data, {"even"},
               [&] { TokenStream::read(folder / "odd.bin", nullptr, 300); });
}

TEST(LabeledData, ReadsCsvTsvAndJson) {
  BadRows bad;
  const auto csv = parse_labeled_csv("text,label\n\"a, b\",x\nc,y\n", {}, "f.csv", bad);
  ASSERT_EQ(csv.size(), 2U);
  EXPECT_EQ(csv[0].text, "a, b");
  EXPECT_EQ(csv[1].label, "y");
  EXPECT_EQ(csv[1].line, 3);
  const auto other = parse_labeled_csv("text,category\na,x\n", {}, "f.csv", bad);
  EXPECT_EQ(other.at(0).label, "x");  // the one column beside the text
  const auto tsv = parse_labeled_tsv("label\ttext\n1\t\"a\"\n", {}, "f.tsv", bad);
  EXPECT_EQ(tsv.at(0).text, "\"a\"");
  const auto json = parse_labeled_json("{\"text\": \"a\", \"label\": 3}\n", {}, "f.jsonl", bad);
  EXPECT_EQ(json.at(0).label, "3");
}

TEST(LabeledData, NamesBadRowsOrCountsThem) {
  const std::string content = "text,label\na,x\n,y\nb\nc,\n";
  BadRows strict;
  expect_error(ErrorCode::corrupt_data, {"f.csv:3: the text is empty"},
               [&] { parse_labeled_csv(content, {}, "f.csv", strict); });
  BadRows skip(true);
  EXPECT_EQ(parse_labeled_csv(content, {}, "f.csv", skip).size(), 1U);
  EXPECT_EQ(skip.count(), 3);
  EXPECT_EQ(skip.first(), "f.csv:3: the text is empty");
  expect_error(ErrorCode::corrupt_data, {"f.jsonl:1: needs an object"},
               [&] { parse_labeled_json("{\"text\": 1.5}\n", {}, "f.jsonl", strict); });
  expect_error(ErrorCode::invalid_argument, {"text_column may be a, b, c"},
               [&] { parse_labeled_csv("a,b,c\n1,2,3\n", {}, "f.csv", strict); });
  expect_error(ErrorCode::corrupt_data, {"UTF-8"},
               [&] { parse_labeled_csv("text,label\n\xFF,x\n", {}, "f.csv", strict); });
  expect_error(ErrorCode::corrupt_data, {"f.csv:2: the label is empty"},
               [&] { parse_labeled_csv("text,label\na, \n", {}, "f.csv", strict); });
}

TEST(LabeledData, QuotesThatAreNoneMakeABadRow) {
  const std::string content = "text,label\na,x\n\"b\nc\"d,x\n\"e\",y\n\"never,x\nf,y\n";
  BadRows strict;
  expect_error(ErrorCode::corrupt_data, {"f.csv:4: needs a comma", "--skip-bad"},
               [&] { parse_labeled_csv(content, {}, "f.csv", strict); });
  BadRows skip(true);
  const auto rows = parse_labeled_csv(content, {}, "f.csv", skip);
  EXPECT_EQ(skip.count(), 2);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[1].text, "e");
  EXPECT_EQ(rows[1].line, 5);
  EXPECT_EQ(rows[2].text, "f");
  EXPECT_EQ(rows[2].line, 7);
}

TEST(LabeledData, ColumnsAreOneEach) {
  BadRows bad;
  expect_error(ErrorCode::invalid_argument, {"f.csv: needed one column 'text', found 2"},
               [&] { parse_labeled_csv("text,text,label\na,b,x\n", {}, "f.csv", bad); });
  EXPECT_EQ(parse_labeled_csv("text,more,more,label\na,b,c,x\n", {}, "f.csv", bad).size(), 1U);
  const TemporaryFolder folder;
  write_file(folder / "a.csv", "text,label\na,x\n");
  expect_error(ErrorCode::invalid_argument, {"text_column and label_column", "both are 'label'"},
               [&] { read_labeled_texts(folder / "a.csv", {.text = "label"}, bad); });
  expect_error(ErrorCode::invalid_argument, {"text_column and pair_column", "both are 'text'"},
               [&] { read_labeled_texts(folder / "a.csv", {.pair = "text"}, bad); });
}

TEST(LabeledData, NamesClasses) {
  const auto rows = [](std::initializer_list<const char*> labels) {
    std::vector<LabeledText> all;
    for (const char* label : labels) all.push_back({"t", label, 1});
    return all;
  };
  EXPECT_EQ(LabelNames::of(rows({"b", "a", "b"}), "f").names(),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(LabelNames::of(rows({"10", "9"}), "f").names(), (std::vector<std::string>{"9", "10"}));
  expect_error(ErrorCode::invalid_argument, {"only 'a'"}, [&] {
    LabelNames::of(rows({"a", "a"}), "f");
  });
  expect_error(ErrorCode::invalid_argument, {"found none"}, [&] { LabelNames::of({}, "f"); });
}

TEST(ColumnData, ReadsSentences) {
  BadRows bad;
  const auto sentences = parse_columns(
      "-DOCSTART- -X- O O\n\nEmpire NNP B-location\nState NNP I-location\n\n\nnice\tO\n", "f", bad);
  ASSERT_EQ(sentences.size(), 2U);
  EXPECT_EQ(sentences[0].words, (std::vector<std::string>{"Empire", "State"}));
  EXPECT_EQ(sentences[0].tags, (std::vector<std::string>{"B-location", "I-location"}));
  EXPECT_EQ(sentences[1].line, 7);
  EXPECT_EQ(tags_of(sentences, "f").names(),
            (std::vector<std::string>{"O", "B-location", "I-location"}));
}

TEST(ColumnData, LeavesOutSentencesWithABadLine) {
  const std::string content = "a\tO\nb\tX-y\n\nc\tO\n\nlonely\n";
  BadRows strict;
  expect_error(ErrorCode::corrupt_data, {"f:2: the tag must"},
               [&] { parse_columns(content, "f", strict); });
  BadRows skip(true);
  const auto sentences = parse_columns(content, "f", skip);
  ASSERT_EQ(sentences.size(), 1U);
  EXPECT_EQ(sentences[0].words.front(), "c");
  EXPECT_EQ(skip.count(), 2);
  expect_error(ErrorCode::invalid_argument, {"f: no name is tagged in 1 sentence"},
               [&] { tags_of(sentences, "f"); });
}

TEST(PairData, ReadsBothForms) {
  BadRows bad;
  const auto aligned = parse_aligned("a\nb\n", "x\ny\n", "f.en", "f.de", bad);
  EXPECT_EQ(aligned.at(1).target, "y");
  EXPECT_EQ(parse_pairs_tsv("a\tx\n", "f.tsv", bad).at(0).target, "x");
  expect_error(ErrorCode::corrupt_data, {"f.en has 1 line but f.de has 2"},
               [&] { parse_aligned("a\n", "x\ny\n", "f.en", "f.de", bad); });
  expect_error(ErrorCode::corrupt_data, {"f.de:1: the target is empty"},
               [&] { parse_aligned("a\n", " \n", "f.en", "f.de", bad); });
  expect_error(ErrorCode::corrupt_data, {"found 3 cells"},
               [&] { parse_pairs_tsv("a\tb\tc\n", "f.tsv", bad); });
  for (const char* files : {"one.txt", "one.en,", ",one.de"}) {
    expect_error(ErrorCode::invalid_argument, {files, "FILE,FILE"},
                 [&] { read_pairs(files, {}, bad); });
  }
}

TEST(Data, EndingsAreTheSameInUpperCase) {
  const TemporaryFolder folder;
  BadRows bad;
  write_file(folder / "A.TSV", "a\tx\n");
  EXPECT_EQ(read_pairs((folder / "A.TSV").string(), {}, bad).at(0).target, "x");
  write_file(folder / "A.NDJSON", "{\"source\": \"a\", \"target\": \"x\"}\n");
  EXPECT_EQ(read_pairs((folder / "A.NDJSON").string(), {}, bad).at(0).target, "x");
  write_file(folder / "A.CSV", "text,label\na,x\n");
  EXPECT_EQ(read_labeled_texts(folder / "A.CSV", {}, bad).at(0).label, "x");
  write_npy(folder / "A.NPY", Tensor::from(std::vector<int32_t>{1, 2}, {2}));
  EXPECT_EQ(TokenStream::read(folder / "A.NPY", nullptr, 5).size(), 2);
}

TEST(PairData, ReadsJsonLines) {
  BadRows skip(true);
  const auto pairs = parse_pairs_json(
      R"({"source": ["One.", "Two."], "target": ["Both.", "Either."], "id": 1}
{"source": "a", "target": "x"}

{"source": "a"}
{"source": 1, "target": "x"}
{"source": "a", "target": []}
not JSON
)",
      {}, "f.jsonl", skip);
  ASSERT_EQ(pairs.size(), 2U);
  EXPECT_EQ(pairs[0].source, "One. Two.");
  EXPECT_EQ(pairs[0].target, "Both.");
  EXPECT_EQ(pairs[1].line, 2);
  EXPECT_EQ(skip.count(), 4);
  // so deep that a copy of it would use up the stack
  const std::string deep = std::string(300000, '[') + std::string(300000, ']');
  const std::string row = R"({"source": )" + deep + R"(, "target": "x"})";
  EXPECT_TRUE(parse_pairs_json(row, {}, "f.jsonl", skip).empty());
  EXPECT_EQ(skip.count(), 5);
  BadRows strict;
  expect_error(ErrorCode::corrupt_data, {"f:1:", "'text'", "'summary'"}, [&] {
    parse_pairs_json("{}", {.source = "text", .target = "summary"}, "f", strict);
  });
}

TEST(Masking, TakesTheSharesOfThePaper) {
  std::vector<int32_t> ids(100000, 7);
  std::vector<bool> special(ids.size());
  special[0] = true;
  const std::vector<int32_t> targets = mask_row(ids, special, {0.15, 1, 1000}, 3, 0, 0);
  EXPECT_EQ(targets[0], -100);
  double chosen = 0, masked = 0, same = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (targets[i] == -100) {
      ASSERT_EQ(ids[i], 7);
      continue;
    }
    ASSERT_EQ(targets[i], 7);
    ++chosen;
    masked += ids[i] == 1 ? 1 : 0;
    same += ids[i] == 7 ? 1 : 0;
  }
  EXPECT_NEAR(chosen / 1e5, 0.15, 0.005);
  EXPECT_NEAR(masked / chosen, 0.8, 0.015);
  EXPECT_NEAR(same / chosen, 0.1, 0.012);
}

TEST(Masking, DependsOnEpochAndRow) {
  const auto masked = [](int64_t epoch, int64_t row) {
    std::vector<int32_t> ids(200, 7);
    return mask_row(ids, std::vector<bool>(200), {0.15, 1, 1000}, 3, epoch, row);
  };
  EXPECT_EQ(masked(1, 2), masked(1, 2));
  EXPECT_NE(masked(1, 2), masked(2, 2));
  EXPECT_NE(masked(1, 2), masked(1, 3));
}

}  // namespace
}  // namespace heed
