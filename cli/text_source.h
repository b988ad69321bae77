#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cli/line_reader.h"
#include "cli/texts.h"
#include "heed/base/progress.h"

namespace heed::cli {

struct Context;

/// A command's texts as they come: standard input line by line, everything else at once.
class TextSource {
 public:
  /// Errors as read_texts.
  explicit TextSource(const TextInputs& inputs);
  /// These alone.
  explicit TextSource(std::vector<std::string> texts) : streams_(false), texts_(std::move(texts)) {}

  /// Up to `most` of them, in order: those that are there now, but one at least; none at the end.
  /// Errors invalid_argument for an empty standard input, io_failure, cancelled.
  std::vector<std::string> next(int64_t most);
  /// How many there are in all; 0: not known.
  int64_t total() const { return streams_ ? 0 : std::ssize(texts_); }

 private:
  bool streams_;
  LineReader reader_;
  std::vector<std::string> texts_;
  int64_t given_ = 0;
  bool told_fault_ = false;  // of bytes that are no UTF-8
};

/// What is done with some texts; progress in them, or in parts of them.
using TextWork = std::function<void(std::span<const std::string> texts, const Progress& progress)>;

/// Calls work with a few batches of the texts at a time, so that what it prints comes while the
/// rest is computed, or not yet there; the bar shows all of them. doing: "classifying".
void in_parts(const Context& context, const std::string& doing, TextSource& source,
              const TextWork& work);
/// The same with up to `most` texts at a time, for work that reads a text in windows: of one text
/// alone the bar shows these.
void in_turn(const Context& context, const std::string& doing, TextSource& source, int64_t most,
             const TextWork& work);

}  // namespace heed::cli
