// Indexes of a random BERT: what is found, updated, removed and refused.

#include "heed/search/index.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "heed/base/cancel.h"
#include "heed/base/log.h"
#include "heed/search/highlight.h"
#include "heed/search/index_model.h"
#include "heed/search/index_writer.h"
#include "heed/search/sources.h"
#include "heed/tasks/embed.h"
#include "tests/expect_error.h"
#include "tests/random_bert.h"
#include "tests/support.h"
#include "tests/unprivileged.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

using testing::letters;
using testing::TemporaryFolder;

class Search : public ::testing::Test {
 protected:
  Search() {
    fs::create_directories(texts());
    fs::create_directories(folder_ / "model");
    testing::write_random_bert(folder_ / "model", 64);
    embedder_.emplace(load_index_embedder(model()));
    for (int i = 0; i < 6; ++i) write("f" + std::to_string(i) + ".txt", letters(50 + 37 * i));
  }

  fs::path texts() const { return folder_ / "texts"; }
  fs::path index() const { return folder_ / "index"; }
  std::string model() const { return (folder_ / "model").string(); }
  std::string root() const { return source_path(texts()); }
  void write(const std::string& name, const std::string& content) const {
    fs::create_directories((texts() / name).parent_path());
    write_file(texts() / name, content);
  }
  IndexSettings settings() const { return index_settings(model(), *embedder_, {20, 4}); }
  IndexingReport make(const IndexingOptions& options = {}) const {
    return IndexWriter(index(), settings()).update({root()}, *embedder_, options);
  }
  IndexingReport update() const { return IndexWriter(index()).update({}, *embedder_); }

  /// What an index that is made anew from the files as they are finds for some queries.
  void expect_as_new() const {
    const TemporaryFolder other;
    IndexWriter(other / "index", settings()).update({root()}, *embedder_);
    const SearchIndex found = SearchIndex::open(index()),
                      wanted = SearchIndex::open(other / "index");
    found.check();
    ASSERT_EQ(found.manifest().passages(), wanted.manifest().passages());
    for (const char* query : {"a b c", "q w e r t y", "x30"}) {
      const Tensor vector = (*embedder_)(query);
      auto a = found.find(vector.span<float>(), 1000), b = wanted.find(vector.span<float>(), 1000);
      ASSERT_EQ(a.size(), static_cast<size_t>(wanted.manifest().passages()));
      for (auto* hits : {&a, &b}) {  // equal ones stand by their numbers, which may differ
        std::ranges::sort(*hits, [](const SearchHit& x, const SearchHit& y) {
          return std::tuple(-x.score, x.path, x.bytes.start) <
                 std::tuple(-y.score, y.path, y.bytes.start);
        });
      }
      for (size_t i = 0; i < a.size(); ++i) {
        EXPECT_EQ(a[i].score, b[i].score);
        EXPECT_EQ(a[i].path, b[i].path);
        EXPECT_EQ(a[i].text, b[i].text);
        EXPECT_EQ(a[i].line, b[i].line);
        EXPECT_EQ(a[i].bytes, b[i].bytes);
      }
    }
  }

  TemporaryFolder folder_;
  std::optional<Embedder> embedder_;
};

TEST_F(Search, FindsPassagesWhereTheyAre) {
  write("g.txt", "a b c.\n\n\u00e4 q w e.\n\n" + letters(30));
  make();
  const SearchIndex index_now = SearchIndex::open(index());
  const auto hits = index_now.find((*embedder_)("\u00e4 q w e.").span<float>(), 400);
  ASSERT_EQ(static_cast<int64_t>(hits.size()), index_now.manifest().passages());
  for (size_t i = 0; i < hits.size(); ++i) {
    const std::string content = read_file(hits[i].path);
    const auto bytes = static_cast<size_t>(hits[i].bytes.end - hits[i].bytes.start);
    EXPECT_EQ(content.substr(static_cast<size_t>(hits[i].bytes.start), bytes), hits[i].text);
    const Tensor vector = (*embedder_)(hits[i].text);
    const Tensor query = (*embedder_)("\u00e4 q w e.");
    double cosine = 0;
    for (int64_t c = 0; c < 16; ++c) cosine += vector.at({c}) * query.at({c});
    EXPECT_NEAR(hits[i].score, cosine, 1e-6);
    if (i > 0) {
      EXPECT_LE(hits[i].score, hits[i - 1].score);
    }
  }
}

TEST_F(Search, UpdatesWhatChanged) {
  const IndexingReport first = make();
  EXPECT_EQ(first.added, 6);
  EXPECT_EQ(update().passages, 0);
  write("f2.txt", "now something else: " + letters(40));
  write("new/f9.txt", "x");
  fs::remove(texts() / "f4.txt");
  fs::last_write_time(texts() / "f1.txt", fs::file_time_type::clock::now() - std::chrono::hours(1));
  const IndexingReport second = update();
  EXPECT_EQ(second.added, 1);
  EXPECT_EQ(second.changed, 1);
  EXPECT_EQ(second.removed, 1);
  EXPECT_EQ(second.unchanged, 4);  // another time alone is no change
  expect_as_new();
}

TEST_F(Search, ManySmallUpdatesAndRemovals) {
  make({.commit_rows = 3});
  for (int i = 0; i < 12; ++i) {
    write("g" + std::to_string(i) + ".txt", letters(20 + 13 * i));
    if (i % 3 == 0) write("f1.txt", letters(10 + i));
    update();
  }
  EXPECT_LE(read_manifest(index()).segments.size(), 6u);
  expect_as_new();
  IndexWriter writer(index());
  EXPECT_EQ(writer.remove(std::vector{root() + "/g3.txt", root() + "/g4.txt"}), 2);
  fs::remove(texts() / "g3.txt");
  fs::remove(texts() / "g4.txt");
  writer.compact();
  const Manifest manifest = read_manifest(index());
  ASSERT_EQ(manifest.segments.size(), 1u);
  EXPECT_EQ(manifest.segments[0].rows, manifest.passages());
  expect_as_new();
  EXPECT_EQ(writer.remove(std::vector{root()}), 16);
  EXPECT_EQ(SearchIndex::open(index()).find((*embedder_)("a").span<float>(), 3).size(), 0u);
}

TEST_F(Search, AnInterruptKeepsWhatWasDoneAndTheNextRunGoesOn) {
  IndexWriter writer(index(), settings());
  int64_t calls = 0;
  const IndexingOptions options{.commit_rows = 4, .progress = [&](int64_t, int64_t) {
                                  if (++calls == 9) request_cancel();
                                }};
  expect_error(ErrorCode::cancelled, {}, [&] { writer.update({root()}, *embedder_, options); });
  clear_cancel();
  const int64_t kept = read_manifest(index()).passages();
  EXPECT_GT(kept, 0);
  const IndexingReport rest = writer.update({}, *embedder_);
  EXPECT_EQ(rest.passages + kept, writer.manifest().passages());
  expect_as_new();
}

TEST_F(Search, AnInterruptLosesTheBatchThatIsComputedAlone) {
  IndexWriter writer(index(), settings());
  const IndexingOptions options{.batch = 2, .progress = [](int64_t, int64_t) { request_cancel(); }};
  expect_error(ErrorCode::cancelled, {}, [&] { writer.update({root()}, *embedder_, options); });
  clear_cancel();
  EXPECT_EQ(read_manifest(index()).passages(), 2);
  writer.update({}, *embedder_);
  expect_as_new();
}

TEST_F(Search, LinesAndFieldsAreTextsOfTheirOwn) {
  fs::remove_all(texts());
  fs::create_directories(texts());
  write("a.jsonl", "{\"text\": \"a b\"}\n\n{\"text\": \"c \\u00e4 d\"}\n");
  write("b.csv", "id,text\n1,\"q\nw\"\n2,e\n");
  write("c.txt", "\u00e4 one\n\n two\n");
  IndexSettings by_line = settings();
  by_line.lines = true;
  IndexWriter(index(), by_line).update({root()}, *embedder_);
  const SearchIndex made = SearchIndex::open(index());
  std::vector<SearchHit> hits = made.find((*embedder_)("a").span<float>(), 100);
  std::ranges::sort(hits, {}, &SearchHit::corpus_id);
  ASSERT_EQ(hits.size(), 6u);
  const auto texts_are = [&](size_t i, const char* text, int64_t line, Span bytes,
                             Span characters) {
    EXPECT_EQ(hits[i].text, text);
    EXPECT_EQ(hits[i].line, line);
    EXPECT_EQ(hits[i].bytes, bytes);
    EXPECT_EQ(hits[i].characters, characters);
  };
  texts_are(0, "a b", 1, {0, 3}, {0, 3});
  texts_are(1, "c \u00e4 d", 3, {0, 6}, {0, 5});
  texts_are(2, "q\nw", 2, {0, 3}, {0, 3});
  texts_are(3, "e", 4, {0, 1}, {0, 1});
  texts_are(4, "\u00e4 one", 1, {0, 6}, {0, 5});
  texts_are(5, "two", 3, {9, 12}, {8, 11});
}

TEST_F(Search, WhatIsNoTextIsLeftOut) {
  write("picture.png", std::string("\x89PNG\0\0", 6));
  write(".hidden/a.txt", "a");
  const IndexingReport report = make();
  EXPECT_EQ(report.added, 6);
  EXPECT_EQ(report.no_text, 1);
}

TEST_F(Search, AnIndexBelowItsOwnRootDoesNotReadItself) {
  IndexWriter writer(texts() / "index", settings());
  EXPECT_EQ(writer.update({root()}, *embedder_).added, 6);
  const IndexingReport second = writer.update({}, *embedder_);
  EXPECT_EQ(second.unchanged, 6);
  EXPECT_EQ(second.no_text + second.passages, 0);
}

TEST_F(Search, AFileThatCannotBeReadDoesNotKeepTheOthersOut) {
  write("b.jsonl", "{\"title\": \"a b\"}\n");
  const IndexingReport first = make();
  EXPECT_EQ(first.added, 6);
  EXPECT_EQ(first.unread, 1);
  write("b.jsonl", "{\"text\": \"a b\"}\n");
  EXPECT_EQ(update().added, 1);
  write("b.jsonl", "no longer JSON");
  EXPECT_EQ(update().unread, 1);  // what the index has of it stays
  EXPECT_EQ(read_manifest(index()).documents.size(), 7u);
  expect_error(ErrorCode::corrupt_data, {"b.jsonl:1"},
               [&] { IndexWriter(index()).update({root() + "/b.jsonl"}, *embedder_); });
}

TEST_F(Search, WhatLiesInAFolderThatCannotBeReadStays) {
  write("sub/b.txt", "a b c");
  write("sub/deep/c.txt", "d e f");
  make();
  fs::permissions(folder_.path(), fs::perms(0755));
  const uid_t writer = geteuid() == 0 ? testing::Unprivileged::kNobody : geteuid();
  ASSERT_EQ(chown(index().c_str(), writer, getegid()), 0);
  std::string said;
  set_log_sink([&](LogLevel, std::string_view message) { said += message; });
  const auto update_without = [&](const fs::path& shut) {
    fs::permissions(shut, fs::perms::none);
    const testing::Unprivileged nobody;
    return update();
  };
  const IndexingReport report = update_without(texts() / "sub");
  EXPECT_EQ(report.removed, 0);
  EXPECT_EQ(report.unread, 1);
  EXPECT_EQ(report.unchanged, 6);
  EXPECT_NE(said.find((texts() / "sub").string()), std::string::npos) << said;
  expect_error(ErrorCode::io_failure, {root(), "Permission denied"},
               [&] { update_without(texts()); });
  EXPECT_EQ(read_manifest(index()).documents.size(), 8u);
  for (const fs::path& one : {texts(), texts() / "sub"}) {
    fs::permissions(one, fs::perms::owner_all);
  }
  EXPECT_EQ(update().unchanged, 8);
  fs::remove_all(texts() / "sub");
  EXPECT_EQ(update().removed, 2);
  set_log_sink({});
}

TEST_F(Search, AFileThatTheSystemRefusesStaysAndOneThatIsGoneGoes) {
  make();
  fs::remove(texts() / "f1.txt");
  fs::create_symlink("f1.txt", texts() / "f1.txt");  // around in a circle
  fs::remove(texts() / "f2.txt");
  fs::create_symlink("nowhere", texts() / "f2.txt");
  const IndexingReport report = update();
  EXPECT_EQ(report.unread, 1);
  EXPECT_EQ(report.removed, 1);
  EXPECT_EQ(read_manifest(index()).documents.size(), 5u);
  expect_error(ErrorCode::io_failure, {"f1.txt"},
               [&] { IndexWriter(index()).update({root() + "/f1.txt"}, *embedder_); });
}

TEST_F(Search, AnUpdateOfOneRootForgetsNoOther) {
  fs::create_directories(folder_ / "other");
  write_file(folder_ / "other/a.txt", "a");
  const std::string other = source_path(folder_ / "other");
  IndexWriter writer(index(), settings());
  writer.update({root(), other}, *embedder_);
  fs::rename(folder_ / "other", folder_ / "away");
  EXPECT_EQ(writer.update({root()}, *embedder_).removed, 0);
  EXPECT_EQ(writer.manifest().sources, (std::vector{root(), other}));
  fs::rename(folder_ / "away", folder_ / "other");
  EXPECT_EQ(writer.update({}, *embedder_).unchanged, 7);
}

TEST_F(Search, ARootThatHeldNoTextMayGo) {
  write("picture.png", std::string("\x89PNG\0\0", 6));
  const std::vector<std::string> roots = {root() + "/picture.png", root() + "/f0.txt"};
  IndexWriter(index(), settings()).update(roots, *embedder_);
  fs::remove(texts() / "picture.png");
  EXPECT_EQ(update().unchanged, 1);
  EXPECT_EQ(read_manifest(index()).sources, std::vector{root() + "/f0.txt"});
}

TEST_F(Search, ALineOfJsonIsOneLineOfItsFile) {
  write("a.jsonl", "{\"text\": \"a.\"}\n{\"text\": \"b.\\n\\n" + letters(40) + "\"}\n");
  IndexWriter(index(), settings()).update({root() + "/a.jsonl"}, *embedder_);
  const SearchIndex made = SearchIndex::open(index());
  const auto hits = made.find((*embedder_)("a").span<float>(), 100);
  ASSERT_GT(hits.size(), 2u);
  for (const SearchHit& hit : hits) EXPECT_EQ(hit.line, hit.text == "a." ? 1 : 2);
}

TEST(ReadSource, EndingsAreTheSameInUpperCase) {
  const IndexSettings settings;
  const auto rows = read_source("/a/B.CSV", "id,text\n1,x\n2,y\n", settings);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].text, "y");
  const auto objects = read_source("/a/B.JsonL", "{\"text\": \"x\"}\n", settings);
  ASSERT_EQ(objects.size(), 1U);
  EXPECT_EQ(objects[0].text, "x");
  EXPECT_EQ(read_source("/a/B.TXT", "x\ny\n", settings).size(), 1U);
}

TEST_F(Search, AnotherModelIsRefused) {
  make();
  fs::create_directories(folder_ / "other");
  testing::write_random_bert(folder_ / "other", 65);
  const IndexSettings made = read_manifest(index()).settings;
  EXPECT_NO_THROW(load_index_embedder(made));
  expect_error(ErrorCode::invalid_argument, {"another model", made.fingerprint},
               [&] { load_index_embedder(made, (folder_ / "other").string()); });
  expect_error(ErrorCode::invalid_argument, {"at most 62", "63"}, [&] {
    index_settings(model(), *embedder_, {63, 0});
  });
  expect_error(ErrorCode::invalid_argument, {"16 numbers", "3"},
               [&] { SearchIndex::open(index()).find(std::vector<float>(3), 1); });
}

TEST_F(Search, FaultsOfPaths) {
  expect_error(ErrorCode::not_found, {"no index"}, [&] { IndexWriter writer(index()); });
  expect_error(ErrorCode::not_found, {"no index"}, [&] { SearchIndex::open(texts()); });
  expect_error(ErrorCode::invalid_argument, {"not empty"},
               [&] { IndexWriter writer(texts(), settings()); });
  make();
  IndexWriter writer(index());
  expect_error(ErrorCode::invalid_argument, {"another process"},
               [&] { IndexWriter again(index()); });
  expect_error(ErrorCode::not_found, {"nowhere"},
               [&] { writer.update({root() + "/nowhere"}, *embedder_); });
  expect_error(ErrorCode::not_found, {"nowhere"},
               [&] { writer.remove(std::vector{root() + "/nowhere"}); });
  fs::rename(texts(), folder_ / "moved");
  expect_error(ErrorCode::not_found, {"remove forgets them"},
               [&] { writer.update({}, *embedder_); });
}

TEST_F(Search, DamagedFilesAreRefused) {
  make();
  const fs::path segment = index() / segment_name(read_manifest(index()).segments[0].id);
  const std::string whole = read_file(segment), list = read_file(index() / "index.json");
  const auto open = [&] { SearchIndex::open(index()).check(); };
  for (const size_t size : {size_t{0}, size_t{63}, whole.size() - 1}) {
    write_file(segment, whole.substr(0, size));
    expect_error(ErrorCode::corrupt_data, {segment.string()}, open);
  }
  write_file(segment, whole + "x");
  expect_error(ErrorCode::corrupt_data, {segment.string()}, open);
  for (size_t at = 0; at < whole.size(); at += 97) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    write_file(segment, damaged);
    expect_error(ErrorCode::corrupt_data, {segment.string()}, open);
  }
  fs::remove(segment);
  expect_error(ErrorCode::corrupt_data, {"missing", segment.string()}, open);
  write_file(segment, whole);
  open();
  for (size_t at = 0; at < list.size(); at += 31) {
    if (std::isspace(static_cast<unsigned char>(list[at]))) continue;
    std::string damaged = list;
    damaged[at] = '5' == damaged[at] ? '6' : '5';
    write_file(index() / "index.json", damaged);
    try {
      open();
      ADD_FAILURE() << "byte " << at;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
}

TEST_F(Search, WhatAKilledRunLeftGoes) {
  fs::create_directories(index());
  write_file(index() / "index.json.7-1.tmp", "half");  // it began with an empty folder
  make();
  write_file(index() / "segment-000099", "half");
  write_file(index() / "segment-000100.1-1.tmp", "half");
  write_file(index() / "index.json.12-345.tmp", "half");
  IndexWriter writer(index());
  for (const fs::directory_entry& entry : fs::directory_iterator(index())) {
    const std::string name = entry.path().filename().string();
    EXPECT_TRUE(name == "index.json" || name == "segment-000001") << name;
  }
  expect_as_new();
}

TEST_F(Search, FilesOfOthersInTheFolderStay) {
  const std::vector<std::string> others = {
      "notes.tmp",  "notes.txt.1-1.tmp",     "index.json.tmp",       "segment-notes",
      "segment-12", "segment-000012.backup", "segment-notes.1-1.tmp"};
  make();
  for (const std::string& name : others) write_file(index() / name, "mine");
  fs::create_directories(index() / "segment-000098");
  update();
  IndexWriter(index()).remove(std::vector{root() + "/f1.txt"});
  for (const std::string& name : others) EXPECT_TRUE(fs::exists(index() / name)) << name;
  EXPECT_TRUE(fs::exists(index() / "segment-000098"));
  fs::create_directories(folder_ / "mine");
  write_file(folder_ / "mine" / "notes.tmp", "mine");
  expect_error(ErrorCode::invalid_argument, {"not empty", "'notes.tmp'"},
               [&] { IndexWriter writer(folder_ / "mine", settings()); });
  EXPECT_TRUE(fs::exists(folder_ / "mine" / "notes.tmp"));
}

TEST_F(Search, DamageIsNotMergedAway) {
  make();
  const SegmentFacts facts = read_manifest(index()).segments[0];
  const fs::path segment = index() / segment_name(facts.id);
  std::string bytes = read_file(segment);
  const auto padded = [](int64_t size) { return static_cast<size_t>((size + 63) / 64 * 64); };
  const size_t vectors =
      64 + padded(facts.rows * code_width(16)) + padded(facts.rows * int64_t{sizeof(RowScale)});
  bytes[vectors + 5] = static_cast<char>(bytes[vectors + 5] ^ 4);
  write_file(segment, bytes);
  IndexWriter writer(index());
  writer.remove(std::vector{root() + "/f0.txt"});
  expect_error(ErrorCode::corrupt_data, {segment.string(), "MiB 0"}, [&] { writer.compact(); });
  expect_error(ErrorCode::corrupt_data, {segment.string(), "MiB 0"},
               [&] { SearchIndex::open(index()).check(); });
}

TEST(Manifest, MoreRowsThanCanBeAreRefused) {
  const TemporaryFolder folder;
  constexpr int64_t kMost = INT64_C(1) << 50, kMany = 9000;  // 9,000 times as many overflow
  const auto refused = [&](const Manifest& manifest) {
    write_manifest(folder.path(), manifest);
    expect_error(ErrorCode::corrupt_data, {"index.json is damaged"},
                 [&] { read_manifest(folder.path()); });
  };
  Manifest manifest{.settings = {.model = "m", .fingerprint = "f", .width = 4},
                    .next_segment = kMany + 1};
  const auto document = [](int64_t segment, int64_t i) {
    return Document{.path = "/" + std::to_string(i),
                    .passages = kMost,
                    .parts = {{.segment = segment, .first = 0, .count = kMost}}};
  };
  manifest.segments = {{.id = 1, .rows = kMost}};
  manifest.documents = {document(1, 0)};
  write_manifest(folder.path(), manifest);
  EXPECT_EQ(read_manifest(folder.path()).passages(), kMost);
  for (int64_t i = 1; i < kMany; ++i) manifest.documents.push_back(document(1, i));
  refused(manifest);
  manifest.segments.clear();
  for (int64_t i = 0; i < kMany; ++i) {
    manifest.segments.push_back({.id = i + 1, .rows = kMost});
    manifest.documents[static_cast<size_t>(i)].parts[0].segment = i + 1;
  }
  refused(manifest);
}

TEST_F(Search, WordsToShow) {
  std::vector<WordNear> words;
  for (int64_t i = 0; i < 20; ++i) words.push_back({{i, i + 1}, 0.1f});
  words[7].score = 0.9f;
  words[3].score = 0.8f;
  EXPECT_EQ(words_to_show(words), (std::vector<Span>{{3, 4}, {7, 8}}));
  EXPECT_EQ(words_to_show({}).size(), 0u);
  EXPECT_EQ(words_to_show({{{0, 2}, 0.5f}}).size(), 1u);
  const std::string text = "  a b, x30's \u00e4!";
  const Tensor query = (*embedder_)("b");
  const auto found = words_near(*embedder_, text, query.span<float>());
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[1].bytes, (Span{4, 5}));
  EXPECT_EQ(found[2].bytes, (Span{7, 12}));
}

}  // namespace
}  // namespace heed
