// Training data from anywhere: labelled texts, columns, pairs, strictly and with bad rows left out.

#include <cstdint>
#include <string_view>

#include "heed/base/error.h"
#include "heed/text/unicode.h"
#include "heed/train/data_columns.h"
#include "heed/train/data_pairs.h"
#include "heed/train/data_rows.h"

namespace {

using heed::BadRows;

/// What a reader gives is whole: text with a label, in UTF-8.
void check(const std::vector<heed::LabeledText>& rows) {
  for (const heed::LabeledText& row : rows) {
    HEED_ASSERT(!row.text.empty() && !row.label.empty() && row.line > 0);
    HEED_ASSERT(heed::is_valid_utf8(row.text) && heed::is_valid_utf8(row.label));
  }
}
void check(const std::vector<heed::TaggedSentence>& sentences) {
  for (const heed::TaggedSentence& sentence : sentences) {
    HEED_ASSERT(!sentence.words.empty() && sentence.words.size() == sentence.tags.size());
  }
}
void check(const std::vector<heed::TextPair>& pairs) {
  for (const heed::TextPair& pair : pairs)
    HEED_ASSERT(!pair.source.empty() && !pair.target.empty());
}

template <class Read>
void try_both(Read read) {
  for (const bool skip : {false, true}) {
    try {
      BadRows bad(skip);
      check(read(bad));
    } catch (const heed::Error&) {
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view content{reinterpret_cast<const char*>(data), size};
  const std::string_view half = content.substr(0, size / 2), rest = content.substr(size / 2);
  try_both([&](BadRows& bad) { return heed::parse_labeled_csv(content, {}, "fuzz", bad); });
  try_both([&](BadRows& bad) { return heed::parse_labeled_tsv(content, {}, "fuzz", bad); });
  try_both([&](BadRows& bad) { return heed::parse_labeled_json(content, {}, "fuzz", bad); });
  try_both([&](BadRows& bad) { return heed::parse_columns(content, "fuzz", bad); });
  try_both([&](BadRows& bad) { return heed::parse_pairs_tsv(content, "fuzz", bad); });
  try_both([&](BadRows& bad) { return heed::parse_pairs_json(content, {}, "fuzz", bad); });
  try_both([&](BadRows& bad) { return heed::parse_aligned(half, rest, "fuzz", "fuzz", bad); });
  return 0;
}
