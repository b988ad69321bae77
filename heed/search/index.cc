#include "heed/search/index.h"

#include <algorithm>
#include <unordered_map>

#include "heed/base/error.h"
#include "heed/text/unicode.h"

namespace heed {

SearchIndex SearchIndex::open(const std::filesystem::path& folder) {
  // a writer may remove segments between our reading of the list and of them; then there is a new
  // list
  constexpr int kAttempts = 10;
  for (int attempt = 1;; ++attempt) {
    SearchIndex index;
    index.folder_ = folder;
    index.manifest_ = read_manifest(folder);
    try {
      for (const SegmentFacts& facts : index.manifest_.segments) {
        index.segments_.push_back(Segment::open(folder, facts, index.manifest_.settings.width));
      }
    } catch (const Error& error) {
      if (error.code() == ErrorCode::not_found && attempt < kAttempts) continue;
      if (error.code() != ErrorCode::not_found) throw;
      throw Error(ErrorCode::corrupt_data, std::string("search: a part of the index is missing: ") +
                                               error.what() + "; index the files anew");
    }
    index.place_rows();
    return index;
  }
}

void SearchIndex::place_rows() {
  std::unordered_map<int64_t, const Segment*> by_id;
  for (size_t i = 0; i < segments_.size(); ++i) {
    by_id[manifest_.segments[i].id] = segments_[i].get();
  }
  int64_t first = 0;
  const DocumentPart* last = nullptr;
  for (size_t d = 0; d < manifest_.documents.size(); ++d) {
    for (const DocumentPart& part : manifest_.documents[d].parts) {
      const Segment* segment = by_id.at(part.segment);
      places_.push_back({first, d, part, segment});
      if (last != nullptr && last->segment == part.segment &&
          last->first + last->count == part.first) {
        blocks_.back().count += part.count;  // goes on where the last one ended
      } else {
        blocks_.push_back(segment->block(part.first, part.first + part.count, first));
      }
      first += part.count;
      last = &part;
    }
  }
}

SearchHit SearchIndex::hit(const Near& near) const {
  const auto behind = std::ranges::upper_bound(places_, near.row, {}, &Place::first);
  const Place& place = *std::prev(behind);
  const int64_t row = place.part.first + near.row - place.first;
  const PassageRecord& record = place.segment->passage(row);
  SearchHit hit{.score = near.score,
                .corpus_id = near.row,
                .path = manifest_.documents[place.document].path,
                .line = record.line,
                .bytes = {},
                .characters = {},
                .text = std::string(place.segment->text(row))};
  const auto bytes = static_cast<int64_t>(hit.text.size());
  const auto characters = static_cast<int64_t>(decode_utf8(hit.text).chars.size());
  hit.bytes = {record.byte_begin, record.byte_begin + bytes};
  hit.characters = {record.character_begin, record.character_begin + characters};
  return hit;
}

std::vector<SearchHit> SearchIndex::find(std::span<const float> query, int64_t k) const {
  if (static_cast<int64_t>(query.size()) != manifest_.settings.width) {
    throw Error(ErrorCode::invalid_argument,
                "search: needed a vector of " + std::to_string(manifest_.settings.width) +
                    " numbers, as the index holds, found " + std::to_string(query.size()));
  }
  std::vector<SearchHit> hits;
  for (const Near& near : nearest(blocks_, query, k)) hits.push_back(hit(near));
  return hits;
}

void SearchIndex::check() const {
  for (const auto& segment : segments_) segment->check();
}

}  // namespace heed
