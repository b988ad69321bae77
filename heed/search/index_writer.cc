#include "heed/search/index_writer.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

/// Whether a file of this name is one that a killed run did not finish.
bool is_temporary(const std::string& name) {
  const std::string target(target_of_temporary(name));
  return is_manifest_name(target) || is_segment_name(target);
}

/// The folder, made if it is not there; Error if it holds something.
fs::path new_folder(const fs::path& folder) {
  make_folder(folder);
  for (const fs::directory_entry& entry : entries_of(folder)) {
    const std::string name = entry.path().filename().string();
    if (is_temporary(name)) continue;
    throw Error(ErrorCode::invalid_argument,
                "search: " + folder.string() + " is no index and not empty, it holds " +
                    in_quotes(name) + "; name a new folder for the index");
  }
  return folder;
}

/// The folder of an index, or an Error that says what it is.
fs::path index_folder(const fs::path& folder) {
  if (!has_manifest(folder)) read_manifest(folder);
  return folder;
}

/// Rows of a segment that documents still have.
std::unordered_map<int64_t, int64_t> live_rows(const Manifest& manifest) {
  std::unordered_map<int64_t, int64_t> rows;
  for (const Document& document : manifest.documents) {
    for (const DocumentPart& part : document.parts) rows[part.segment] += part.count;
  }
  return rows;
}

}  // namespace

IndexWriter::IndexWriter(fs::path folder)
    : folder_(index_folder(folder)), lock_(folder_, "search"), manifest_(read_manifest(folder_)) {
  for (size_t i = 0; i < manifest_.documents.size(); ++i) {
    places_[manifest_.documents[i].path] = i;
  }
  remove_leftovers();
}

IndexWriter::IndexWriter(fs::path folder, const IndexSettings& settings)
    : folder_(new_folder(folder)), lock_(folder_, "search") {
  new_folder(folder_);  // another process may have made an index before we had the lock
  manifest_.settings = settings;
  save();
}

void IndexWriter::remove_leftovers() const {
  std::unordered_set<std::string> ours;
  for (const SegmentFacts& segment : manifest_.segments) ours.insert(segment_name(segment.id));
  std::error_code ignored;
  for (const fs::directory_entry& entry : entries_of(folder_)) {
    const std::string name = entry.path().filename().string();
    const bool unknown = is_segment_name(name) && !ours.contains(name);
    if (!unknown && !is_temporary(name)) continue;
    if (entry.is_regular_file(ignored)) fs::remove(entry.path(), ignored);
  }
}

void IndexWriter::save() {
  const auto live = live_rows(manifest_);
  std::erase_if(manifest_.segments,
                [&](const SegmentFacts& segment) { return !live.contains(segment.id); });
  write_manifest(folder_, manifest_);
  remove_leftovers();
}

Document* IndexWriter::find(const std::string& path) {
  const auto found = places_.find(path);
  return found == places_.end() ? nullptr : &manifest_.documents[found->second];
}

void IndexWriter::erase(const std::function<bool(const Document&)>& gone) {
  std::erase_if(manifest_.documents, gone);
  places_.clear();
  for (size_t i = 0; i < manifest_.documents.size(); ++i) {
    places_[manifest_.documents[i].path] = i;
  }
}

/// Takes out what the roots no longer have; how many files.
int64_t IndexWriter::forget_gone(const std::vector<std::string>& roots, const SourceList& sources) {
  std::unordered_set<std::string_view> there;
  for (const SourceFile& file : sources.files) there.insert(file.path);
  const size_t before = manifest_.documents.size();
  erase([&](const Document& one) {
    return lies_in_any(one.path, roots) && !there.contains(one.path) &&
           !lies_in_any(one.path, sources.unread);
  });
  std::erase_if(manifest_.sources, [&](const std::string& one) {
    return lies_in_any(one, roots) && !there.contains(one) && !is_there(one);
  });
  return static_cast<int64_t>(before - manifest_.documents.size());
}

void IndexWriter::merge(size_t begin) {
  std::unordered_map<int64_t, std::shared_ptr<const Segment>> old;
  for (size_t i = begin; i < manifest_.segments.size(); ++i) {
    const SegmentFacts& facts = manifest_.segments[i];
    const auto segment = Segment::open(folder_, facts, manifest_.settings.width);
    segment->check();  // its rows get new sums, which would vouch for damage
    old[facts.id] = segment;
  }
  Manifest merged = manifest_;  // which stays as it is should this fail
  const int64_t id = merged.next_segment;
  std::vector<SegmentRows> rows;
  int64_t first = 0;
  for (Document& document : merged.documents) {
    for (const DocumentPart& part : std::exchange(document.parts, {})) {
      const auto found = old.find(part.segment);
      if (found == old.end()) {
        document.add(part);
        continue;
      }
      rows.push_back(found->second->part(part.first, part.first + part.count));
      document.add({id, first, part.count});
      first += part.count;
    }
  }
  if (first > 0) {
    merged.segments.push_back(write_segment(folder_, id, merged.settings.width, rows));
    ++merged.next_segment;
  }
  manifest_ = std::move(merged);
  save();
}

void IndexWriter::merge_small() {
  // A segment goes with the newer ones once they hold half as many rows: so there are few, and a
  // row is written again a logarithmic number of times. One that is mostly holes goes too.
  auto live = live_rows(manifest_);
  const std::vector<SegmentFacts>& all = manifest_.segments;
  if (all.empty()) return;
  size_t begin = all.size() - 1;
  int64_t rows = live[all[begin].id];
  while (begin > 0 && live[all[begin - 1].id] <= 2 * rows) rows += live[all[--begin].id];
  const auto holed = std::ranges::find_if(
      all, [&](const SegmentFacts& segment) { return 2 * live[segment.id] < segment.rows; });
  if (holed == all.end() && begin + 1 == all.size()) return;
  merge(std::min(begin, static_cast<size_t>(holed - all.begin())));
}

void IndexWriter::compact() {
  if (manifest_.segments.empty()) return;
  const bool whole =
      manifest_.segments.size() == 1 && manifest_.segments[0].rows == manifest_.passages();
  if (!whole) merge(0);
}

int64_t IndexWriter::remove(std::span<const std::string> paths) {
  const std::vector<std::string> roots(paths.begin(), paths.end());
  for (const std::string& root : roots) {
    const bool known =
        std::ranges::any_of(manifest_.documents,
                            [&](const Document& one) { return lies_in(one.path, root); }) ||
        std::ranges::find(manifest_.sources, root) != manifest_.sources.end();
    if (!known) throw Error(ErrorCode::not_found, "search: the index knows no " + root);
  }
  const size_t before = manifest_.documents.size();
  erase([&](const Document& one) { return lies_in_any(one.path, roots); });
  std::erase_if(manifest_.sources,
                [&](const std::string& source) { return lies_in_any(source, roots); });
  save();
  merge_small();
  return static_cast<int64_t>(before - manifest_.documents.size());
}

}  // namespace heed
