#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "heed/search/manifest.h"
#include "heed/search/segment.h"
#include "heed/text/tokenizer.h"

namespace heed {

/// A passage that is near a query.
struct SearchHit {
  float score = 0;        // cosine
  int64_t corpus_id = 0;  // the passage's number in the index, by document and place
  std::string path;       // of its file, absolute
  int64_t line = 0;       // of the file, from 1, where it begins
  Span bytes;             // in the file, or in the field of a .jsonl or .csv
  Span characters;
  std::string text;
};

/// An index as it was when it was opened: what is written to it later, or removed, changes nothing
/// here. Safe to use from many threads.
class SearchIndex {
 public:
  /// Error not_found, corrupt_data, unsupported.
  static SearchIndex open(const std::filesystem::path& folder);

  const Manifest& manifest() const { return manifest_; }

  /// The k passages with the largest products with the query [W], largest first; exact
  /// (heed/search/nearest.h). Error invalid_argument for another width.
  std::vector<SearchHit> find(std::span<const float> query, int64_t k) const;

  /// Reads every byte. Error corrupt_data names the first damage.
  void check() const;

 private:
  SearchIndex() = default;
  SearchHit hit(const Near& near) const;
  void place_rows();

  /// Passages [first, first + rows of the part) of the index.
  struct Place {
    int64_t first;
    size_t document;
    DocumentPart part;
    const Segment* segment;
  };

  std::filesystem::path folder_;
  Manifest manifest_;
  std::vector<std::shared_ptr<const Segment>> segments_;  // as manifest_.segments
  std::vector<Place> places_;                             // by rising first
  std::vector<RowBlock> blocks_;
};

}  // namespace heed
