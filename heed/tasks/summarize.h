#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/progress.h"
#include "heed/generate/generator.h"

namespace heed {

struct SummarizeOptions {
  GenerateOptions generate = {};  // how each part's summary is written: Summarizer::defaults()
  std::string prefix = {};        // what each part begins with: Summarizer::prefix()
  /// Tokens of a part, its prefix and special tokens included; absent: as many as the model reads,
  /// or, where it has no bound (T5), was trained to (n_positions of config.json, else 512).
  std::optional<int64_t> window = {};
  int64_t overlap = 0;   // tokens of a part's end that begin the next one, at most
  bool combine = false;  // summarise what the parts' summaries make together, until it is one part
  int64_t batch = 8;     // parts written together
  Progress progress = {};  // in parts
};

/// A part of a text and what was made of it.
struct SummaryPart {
  Span bytes;
  Span characters;
  Generated written;
};

struct Summary {
  /// All of it: the parts' texts with a space between them, their ids one after another, the mean
  /// of their scores; finish is the first part's that did not stop by itself.
  Generated written;
  std::vector<SummaryPart> parts;  // of the text, in its order
  int64_t passes = 1;              // above 1 where summaries were combined
};

/// What a text says, in fewer words: an encoder-decoder that was trained for it, as transformers'
/// SummarizationPipeline runs it, and for long texts in windows. Safe to use from many threads.
class Summarizer {
 public:
  static constexpr int64_t kNewTokens =
      256;  // of a part at most, where the checkpoint says nothing

  /// Errors as Translator::load(); its task is "summarization".
  static Summarizer load(const std::filesystem::path& folder, const LoadOptions& options = {});

  const Translator& translator() const { return translator_; }
  const GenerateOptions& defaults() const { return translator_.defaults(); }
  const std::string& prefix() const { return translator_.prefix(); }
  /// Those of a part, if nothing is chosen.
  int64_t window() const { return window_; }

  /// A text that fits a window is one part, as it is; a longer one is cut where sentences end
  /// (cut_chunks()) into parts of about one length. Error invalid_argument for a window that leaves
  /// no room beside the prefix or is more than the model reads, and for an overlap of more than
  /// half of that room; errors of Translator::batch(); cancelled between parts.
  Summary operator()(std::string_view text, const SummarizeOptions& options) const;

 private:
  std::vector<SummaryPart> cut(std::string_view text, const SummarizeOptions& options) const;
  Summary pass(std::string_view text, const SummarizeOptions& options) const;

  Translator translator_;
  int64_t window_ = 0;
};

}  // namespace heed
