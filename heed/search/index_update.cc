#include <algorithm>
#include <chrono>
#include <cmath>

#include "heed/base/cancel.h"
#include "heed/base/crc32c.h"
#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/log.h"
#include "heed/base/parallel.h"
#include "heed/base/paths.h"
#include "heed/base/stopwatch.h"
#include "heed/search/index_writer.h"
#include "heed/text/unicode.h"
#include "heed/text/utf8_fault.h"

// IndexWriter::update(): from files to committed passages.

namespace heed {
namespace {

/// Passages that are embedded together at most, which sorts them by length, and how long that may
/// take: what is being embedded when a run is interrupted is lost.
constexpr size_t kEmbeddedAtOnce = 256;
constexpr double kEmbeddingSeconds = 2;
constexpr double kCommitSeconds = 30;
/// A file that changed a moment ago may change again without another time.
constexpr int64_t kTooYoungNs = 2'000'000'000;

int64_t trusted_time(int64_t modified_ns) {
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  return now.count() - modified_ns < kTooYoungNs ? 0 : modified_ns;
}

/// Codes and scales of vectors [rows, width], to be written.
struct Coded {
  Coded(const std::vector<float>& vectors, int64_t rows, int64_t width)
      : codes(static_cast<size_t>(rows * code_width(width))), scales(static_cast<size_t>(rows)) {
    std::vector<float> lengths(static_cast<size_t>(rows));
    parallel_for(rows, [&](int64_t i, int) {
      const std::span row(vectors.data() + i * width, static_cast<size_t>(width));
      scales[static_cast<size_t>(i)] = quantize_row(row, codes.data() + i * code_width(width));
      double squares = 0;
      for (const float value : row) squares += static_cast<double>(value) * value;
      lengths[static_cast<size_t>(i)] =
          std::nextafter(static_cast<float>(std::sqrt(squares)), INFINITY);
    });
    for (const float length : lengths) longest = std::max(longest, length);
  }
  std::vector<int8_t> codes;
  std::vector<RowScale> scales;
  float longest = 0;
};

/// Whether read() went well. What fails of one of many files in a folder (it may be gone by now)
/// does not keep the others out.
bool reads(const SourceFile& file, IndexingReport& report, const std::function<void()>& read) {
  try {
    read();
    return true;
  } catch (const Error& error) {
    if (file.named) throw;
    log(LogLevel::warning, std::string(error.what()) + "; the file is left out");
    ++report.unread;
    return false;
  }
}

}  // namespace

/// A passage that is cut but not embedded yet.
struct IndexWriter::Waiting {
  PassageRecord record;  // without its place in a segment
  size_t piece;          // that it is of
  int64_t bytes;         // done when it is
};

/// A text and how it is cut.
struct IndexWriter::CutText {
  SourceText source;
  std::vector<Chunk> chunks;
};

/// What an update carries along: passages that wait to be embedded, then to be committed.
struct IndexWriter::Work {
  struct Piece {
    Document document;  // without parts
    bool fresh;         // its older passages go
    int64_t count;      // passages that are embedded
  };

  Work(const Embedder& with, const IndexingOptions& how) : embedder(with), options(how) {}

  const Embedder& embedder;
  const IndexingOptions& options;
  IndexingReport report;
  int64_t total_bytes = 0;
  int64_t done_bytes = 0;  // of files before the one that is read

  std::vector<Waiting> waiting;
  std::vector<std::string> waiting_texts;  // theirs

  std::vector<float> vectors;
  std::vector<PassageRecord> passages;
  std::string texts;
  std::vector<Piece> pieces;
  bool changed = false;     // of the manifest, without pieces
  bool committing = false;  // a commit that failed is not done twice
  Stopwatch since_commit;
  size_t fitting = 0;  // passages for which kEmbeddingSeconds are enough

  /// One batch first, then as many passages as the speed of the last ones allows.
  size_t embedded_at_once() const {
    const auto batch = static_cast<size_t>(options.batch);
    const auto most = std::min(kEmbeddedAtOnce, static_cast<size_t>(options.commit_rows));
    return std::min(most, std::max(batch, fitting));
  }
  bool is_due() const {
    return static_cast<int64_t>(passages.size()) >= options.commit_rows ||
           since_commit.seconds() >= kCommitSeconds;
  }
  void tell(int64_t bytes) const {
    if (options.progress) options.progress(bytes, total_bytes);
  }
};

void IndexWriter::embed_waiting(Work& work) {
  const Stopwatch watch;
  const auto progress = [&](int64_t done, int64_t) {
    work.tell(work.waiting[static_cast<size_t>(done - 1)].bytes);
  };
  const Embeddings embeddings =
      work.embedder(work.waiting_texts, {.batch = work.options.batch,
                                         .progress = progress,
                                         .prompt = work.embedder.document_prompt()});
  const double seconds = watch.seconds();
  work.fitting = static_cast<size_t>(static_cast<double>(work.waiting.size()) * kEmbeddingSeconds /
                                     std::max(seconds, 1e-3));
  const auto vectors = embeddings.vectors.span<float>();
  work.vectors.insert(work.vectors.end(), vectors.begin(), vectors.end());
  for (size_t i = 0; i < work.waiting.size(); ++i) {
    PassageRecord record = work.waiting[i].record;
    record.text_begin = static_cast<int64_t>(work.texts.size());
    work.texts += work.waiting_texts[i];
    work.passages.push_back(record);
    ++work.pieces[work.waiting[i].piece].count;
    ++work.report.passages;
    work.report.cut += embeddings.truncated[i] ? 1 : 0;
  }
  work.waiting.clear();
  work.waiting_texts.clear();
}

void IndexWriter::commit(Work& work) {
  work.committing = true;
  const auto rows = static_cast<int64_t>(work.passages.size());
  const int64_t width = manifest_.settings.width;
  const int64_t id = manifest_.next_segment;
  if (rows > 0) {
    const Coded coded(work.vectors, rows, width);
    const SegmentRows part{.count = rows,
                           .vectors = work.vectors.data(),
                           .codes = coded.codes.data(),
                           .scales = coded.scales.data(),
                           .passages = work.passages.data(),
                           .texts = work.texts.data(),
                           .longest = coded.longest};
    manifest_.segments.push_back(write_segment(folder_, id, width, {&part, 1}));
    ++manifest_.next_segment;
  }
  int64_t first = 0;
  for (const Work::Piece& piece : work.pieces) {
    if (piece.count == 0 && piece.document.passages > 0) continue;  // not begun: the old one stays
    Document* document = find(piece.document.path);
    if (document == nullptr) {
      places_[piece.document.path] = manifest_.documents.size();
      document = &manifest_.documents.emplace_back(piece.document);
    } else if (piece.fresh) {
      *document = piece.document;
    }
    document->add({id, first, piece.count});
    first += piece.count;
  }
  if (!work.pieces.empty() || work.changed) save();
  work.waiting.clear();
  work.waiting_texts.clear();
  work.vectors.clear();
  work.passages.clear();
  work.texts.clear();
  work.pieces.clear();
  work.changed = work.committing = false;
  work.since_commit = Stopwatch();
}

void IndexWriter::add_passages(const Document& document, const std::vector<CutText>& cut,
                               Work& work) {
  const Document* old = find(document.path);
  const bool resumes = old != nullptr && old->crc == document.crc && old->size == document.size &&
                       old->passages == document.passages;
  size_t passage = 0;
  const auto skipped = resumes ? static_cast<size_t>(old->rows()) : 0;
  work.pieces.push_back({document, !resumes, 0});
  for (const CutText& one : cut) {
    for (const Chunk& chunk : one.chunks) {
      if (passage++ < skipped) continue;
      const auto size = static_cast<double>(document.size);
      const double share = static_cast<double>(passage) / static_cast<double>(document.passages);
      const auto bytes = static_cast<size_t>(chunk.bytes.end - chunk.bytes.start);
      work.waiting.push_back(
          {.record = {.text_begin = 0,
                      .text_bytes = chunk.bytes.end - chunk.bytes.start,
                      .byte_begin = one.source.byte_begin + chunk.bytes.start,
                      .character_begin = one.source.character_begin + chunk.characters.start,
                      .line = one.source.line + (one.source.of_one_line ? 0 : chunk.line - 1)},
           .piece = work.pieces.size() - 1,
           .bytes = work.done_bytes + static_cast<int64_t>(size * share)});
      work.waiting_texts.push_back(
          one.source.text.substr(static_cast<size_t>(chunk.bytes.start), bytes));
      if (work.waiting.size() < work.embedded_at_once()) continue;
      embed_waiting(work);
      if (!work.is_due()) continue;
      commit(work);
      work.pieces.push_back({document, false, 0});
    }
  }
}

void IndexWriter::update_file(const SourceFile& file, Work& work) {
  const Document* old = find(file.path);
  const bool same_facts = old != nullptr && old->size == file.size && old->modified_ns != 0 &&
                          old->modified_ns == file.modified_ns;
  if (same_facts && old->complete()) {
    ++work.report.unchanged;
    return;
  }
  read_again(file, work);
  work.done_bytes += file.size;
}

void IndexWriter::read_again(const SourceFile& file, Work& work) {
  const int64_t modified_ns = trusted_time(file.modified_ns);  // before it is read
  std::string content;
  if (!reads(file, work.report, [&] { content = read_file(file.path); })) return;
  Document* old = find(file.path);
  if (is_binary(content)) {
    ++work.report.no_text;
    if (old != nullptr) {  // it was a text
      erase([&](const Document& one) { return one.path == file.path; });
      work.changed = true;
    }
    return;
  }
  Document document{.path = file.path,
                    .size = static_cast<int64_t>(content.size()),
                    .modified_ns = modified_ns,
                    .crc = crc32c(content),
                    .passages = 0,
                    .parts = {}};
  if (old != nullptr && old->complete() && old->size == document.size && old->crc == document.crc) {
    ++work.report.unchanged;
    work.changed = work.changed || old->modified_ns != modified_ns;
    old->modified_ns = modified_ns;
    return;
  }
  std::vector<SourceText> texts;
  const auto read_texts = [&] {
    texts = read_source(file.path, std::move(content), manifest_.settings);
  };
  if (!reads(file, work.report, read_texts)) return;
  ++(old == nullptr ? work.report.added : work.report.changed);
  const auto has_other_bytes = [&](const SourceText& text) {
    return work.report.other_bytes == 0 ? tell_utf8_fault(text.text, file.path, text.line)
                                        : !is_valid_utf8(text.text);
  };
  if (std::ranges::any_of(texts, has_other_bytes)) ++work.report.other_bytes;
  std::vector<CutText> cut;
  for (SourceText& text : texts) {
    check_cancelled();
    CutText one{.source = std::move(text), .chunks = {}};
    one.chunks = cut_chunks(work.embedder.tokenizer(), one.source.text, manifest_.settings.chunks);
    document.passages += static_cast<int64_t>(one.chunks.size());
    cut.push_back(std::move(one));
  }
  add_passages(document, cut, work);
}

std::vector<std::string> IndexWriter::remember(std::vector<std::string> roots) {
  if (roots.empty()) roots = manifest_.sources;
  for (const std::string& root : roots) {
    if (is_there(root)) continue;
    const bool file = find(root) != nullptr;
    const bool folder = std::ranges::any_of(
        manifest_.documents, [&](const Document& one) { return lies_in(one.path, root); });
    const bool asked_for = std::ranges::find(manifest_.sources, root) != manifest_.sources.end();
    if (file || (asked_for && !folder)) continue;  // it is gone, and what the index has of it goes
    throw Error(
        ErrorCode::not_found,
        "search: there is no file or folder " + root +
            (folder ? ", from which the index has files; heed search remove forgets them" : ""));
  }
  for (const std::string& root : roots) {
    const auto holds = [&](const std::string& source) { return lies_in(root, source); };
    if (std::ranges::any_of(manifest_.sources, holds)) continue;
    std::erase_if(manifest_.sources, [&](const auto& source) { return lies_in(source, root); });
    manifest_.sources.push_back(root);
  }
  return roots;
}

SourceList IndexWriter::sources_of(const std::vector<std::string>& roots, Work& work) {
  SourceList sources = list_sources(roots);
  const std::string own = source_path(folder_);
  std::erase_if(sources.files, [&](const SourceFile& file) { return lies_in(file.path, own); });
  work.report.unread = std::ssize(sources.unread);
  for (const SourceFile& file : sources.files) {
    const Document* old = find(file.path);
    const bool same = old != nullptr && old->size == file.size &&
                      old->modified_ns == file.modified_ns && old->complete();
    if (!same) work.total_bytes += file.size;
  }
  return sources;
}

IndexingReport IndexWriter::update(std::vector<std::string> asked, const Embedder& embedder,
                                   const IndexingOptions& options) {
  HEED_ASSERT(embedder.width() == manifest_.settings.width);
  const std::vector<std::string> sources = manifest_.sources;
  const std::vector<std::string> roots = remember(std::move(asked));
  Work work(embedder, options);
  const SourceList found = sources_of(roots, work);
  work.report.removed = forget_gone(roots, found);
  work.changed = work.report.removed > 0 || manifest_.sources != sources;
  try {
    for (const SourceFile& file : found.files) {
      check_cancelled();
      update_file(file, work);
    }
    if (!work.waiting.empty()) embed_waiting(work);
  } catch (const Error&) {
    if (!work.committing) commit(work);
    throw;
  }
  commit(work);
  merge_small();
  return work.report;
}

}  // namespace heed
