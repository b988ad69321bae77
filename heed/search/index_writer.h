#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "heed/base/folder_lock.h"
#include "heed/base/progress.h"
#include "heed/search/manifest.h"
#include "heed/search/sources.h"
#include "heed/tasks/embed.h"

namespace heed {

struct IndexingOptions {
  int64_t batch = 32;          // passages computed at once
  int64_t commit_rows = 4096;  // after so many, or half a minute, what is done is committed
  Progress progress;           // in bytes of files that are new or changed
};

/// What an update found and did, in files.
struct IndexingReport {
  int64_t added = 0;
  int64_t changed = 0;
  int64_t unchanged = 0;
  int64_t removed = 0;
  int64_t no_text = 0;      // binary files, left out
  int64_t unread = 0;       // left as they were, told to the log; a folder counts as one
  int64_t other_bytes = 0;  // with bytes that are no UTF-8, of the first of which the log is told
  int64_t passages = 0;     // embedded
  int64_t cut = 0;          // passages with more tokens than the model reads
};

/// Writes to an index, one process at a time. Everything is committed by replacing index.json,
/// after the segment that it names is on the disk: at any moment the index is what the last commit
/// left, and what a killed process left besides is removed by the next one.
class IndexWriter {
 public:
  /// Of an index that is there. Error not_found; invalid_argument while another process writes.
  explicit IndexWriter(std::filesystem::path folder);
  /// A new one, in a folder that is not there or empty but for what a killed run left. Error
  /// invalid_argument otherwise.
  IndexWriter(std::filesystem::path folder, const IndexSettings& settings);
  ~IndexWriter() = default;
  IndexWriter(const IndexWriter&) = delete;
  IndexWriter& operator=(const IndexWriter&) = delete;

  const Manifest& manifest() const { return manifest_; }

  /// Brings the index up to date with the files and folders `roots` (source_path()), which are
  /// remembered: what is new or changed is embedded (the size and time of a file decide, then its
  /// content), what is gone is removed. Without roots: all that are remembered. The embedder
  /// normalises and is of the index's model. A file that cannot be read (any longer), or holds no
  /// such field, and what lies in a folder that cannot be listed, stay as the index has them and
  /// are told to the log; one that is a root is an Error. What lies in the index's own folder is
  /// left out. Error cancelled with what was done committed; not_found for a root that never was
  /// there.
  IndexingReport update(std::vector<std::string> roots, const Embedder& embedder,
                        const IndexingOptions& options = {});

  /// Forgets files, or all that lie in folders; how many files. Error not_found for a path that the
  /// index does not know.
  int64_t remove(std::span<const std::string> paths);

  /// Writes all passages into one segment.
  void compact();

 private:
  struct Waiting;
  struct CutText;
  struct Work;

  void remove_leftovers() const;
  std::vector<std::string> remember(std::vector<std::string> roots);
  SourceList sources_of(const std::vector<std::string>& roots, Work& work);
  int64_t forget_gone(const std::vector<std::string>& roots, const SourceList& sources);
  void update_file(const SourceFile& file, Work& work);
  void read_again(const SourceFile& file, Work& work);
  void add_passages(const Document& document, const std::vector<CutText>& cut, Work& work);
  void embed_waiting(Work& work);
  void commit(Work& work);
  Document* find(const std::string& path);
  void erase(const std::function<bool(const Document&)>& gone);
  void merge(size_t begin);
  void merge_small();
  void save();

  std::filesystem::path folder_;
  FolderLock lock_;
  Manifest manifest_;
  std::unordered_map<std::string, size_t> places_;  // of documents by path
};

}  // namespace heed
