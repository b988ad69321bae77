#include "heed/tasks/summarize.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/models/model_files.h"
#include "heed/tasks/chunks.h"
#include "heed/text/characters.h"

namespace heed {
namespace {

constexpr int64_t kTrainedTokens = 512;      // of every T5, whatever its file says
constexpr int64_t kMostPositions = 1 << 20;  // models with more count none
constexpr size_t kEvenParts = 16;            // of more parts a short last one matters little

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::invalid_argument, "summarize: " + what);
}

std::string_view slice(std::string_view text, const Span& bytes) {
  return text.substr(static_cast<size_t>(bytes.start),
                     static_cast<size_t>(bytes.end - bytes.start));
}

/// Cuts one text into parts of at most `window` tokens each.
class Cutter {
 public:
  Cutter(const Translator& translator, std::string_view text, const SummarizeOptions& options,
         int64_t window)
      : translator_(translator), text_(text), options_(options), window_(window) {
    around_ = tokens_of("");
    room_ = window - around_;
    if (room_ < 1) {
      refuse(
          fmt::format("a window of {} tokens leaves no room beside the {} of prefix and special "
                      "tokens; give a larger --window",
                      window, around_));
    }
    if (options.overlap < 0 || options.overlap > room_ / 2) {
      refuse(
          fmt::format("the overlap must be from 0 to {}, half of what a window has room for, "
                      "but is {}",
                      room_ / 2, options.overlap));
    }
  }

  std::vector<Chunk> run() {
    const int64_t tokens = tokens_of(text_);
    if (tokens <= window_) return {whole()};
    std::vector<Chunk> chunks = fitting(room_);
    if (chunks.empty()) return {whole()};  // white space, whatever a tokenizer makes of it
    return evened(std::move(chunks), tokens - around_);
  }

 private:
  int64_t tokens_of(std::string_view part) const {
    return std::ssize(translator_.encode(options_.prefix + std::string(part)));
  }

  Chunk whole() const {
    return {.bytes = {0, std::ssize(text_)}, .characters = {0, count_characters(text_)}};
  }

  std::vector<Chunk> cut(int64_t tokens) const {
    return cut_chunks(*translator_.tokenizer(), text_,
                      {.tokens = tokens, .overlap = std::min(options_.overlap, tokens / 2)});
  }

  /// A chunk may have a few more tokens by itself than were counted: then all get fewer.
  std::vector<Chunk> fitting(int64_t tokens) const {
    while (true) {
      check_cancelled();
      std::vector<Chunk> chunks = cut(tokens);
      int64_t most = 0;
      for (const Chunk& chunk : chunks) most = std::max(most, tokens_of(slice(text_, chunk.bytes)));
      if (most <= window_ || tokens == 1) return chunks;
      tokens = std::max<int64_t>(1, tokens - (most - window_));
    }
  }

  /// No more parts than these, but about alike in length.
  std::vector<Chunk> evened(std::vector<Chunk> chunks, int64_t tokens) const {
    const auto parts = std::ssize(chunks);
    if (chunks.size() > kEvenParts) return chunks;
    const int64_t step = std::max<int64_t>(1, room_ / 8);
    const int64_t shared = options_.overlap * (parts - 1);
    for (int64_t most = (tokens + shared) / parts + 1; most < room_; most += step) {
      std::vector<Chunk> even = fitting(most);
      if (std::ssize(even) <= parts) return even;
    }
    return chunks;
  }

  const Translator& translator_;
  std::string_view text_;
  const SummarizeOptions& options_;
  int64_t window_;
  int64_t around_ = 0;  // tokens of the prefix and special ones
  int64_t room_ = 0;
};

/// What the parts' summaries make together.
Generated joined(const std::vector<SummaryPart>& parts) {
  Generated all = parts[0].written;
  for (size_t i = 1; i < parts.size(); ++i) {
    const Generated& one = parts[i].written;
    const auto append = [](auto& to, const auto& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    append(all.prompt_ids, one.prompt_ids);
    append(all.ids, one.ids);
    append(all.logprobs, one.logprobs);
    append(all.likeliest, one.likeliest);
    if (!all.text.empty() && !one.text.empty()) all.text += ' ';
    all.text += one.text;
    all.score += one.score;
    if (all.finish == Finish::stop) all.finish = one.finish;
  }
  all.score /= static_cast<double>(parts.size());
  return all;
}

}  // namespace

Summarizer Summarizer::load(const std::filesystem::path& folder, const LoadOptions& options) {
  // what the pipeline takes where the checkpoint says nothing
  const GenerateOptions base{.max_new_tokens = kNewTokens, .beams = 4};
  Summarizer summarizer;
  summarizer.translator_ = Translator::load(folder, options, base, "summarization");
  const int64_t most = summarizer.translator_.model().facts().max_tokens;
  summarizer.window_ =
      most < kMostPositions
          ? most
          : read_model_config(folder).integer("n_positions", 2, kMostPositions, kTrainedTokens);
  return summarizer;
}

std::vector<SummaryPart> Summarizer::cut(std::string_view text,
                                         const SummarizeOptions& options) const {
  const int64_t window = options.window.value_or(window_);
  const int64_t most = translator_.model().facts().max_tokens;
  if (window > most) {
    refuse(
        fmt::format("the window must be at most the model's {} positions but is {}", most, window));
  }
  std::vector<SummaryPart> parts;
  for (const Chunk& chunk : Cutter(translator_, text, options, window).run()) {
    parts.push_back({chunk.bytes, chunk.characters, {}});
  }
  return parts;
}

Summary Summarizer::pass(std::string_view text, const SummarizeOptions& options) const {
  std::vector<SummaryPart> parts = cut(text, options);
  const auto together = static_cast<size_t>(std::max<int64_t>(1, options.batch));
  GenerateOptions generate = options.generate;
  generate.samples = 1;
  int64_t done = 0;
  generate.on_end = [&](int64_t part, const Generated& one) {
    if (options.generate.on_end) options.generate.on_end(part, one);
    if (options.progress) options.progress(++done, std::ssize(parts));
  };
  double prompt_ms = 0, generate_ms = 0;
  for (size_t first = 0; first < parts.size(); first += together) {
    check_cancelled();
    const size_t end = std::min(parts.size(), first + together);
    std::vector<std::vector<int32_t>> sources;
    for (size_t i = first; i < end; ++i) {
      const std::string part(slice(text, parts[i].bytes));
      sources.push_back(translator_.encode(options.prefix + part));
    }
    std::vector<Generated> written = translator_.batch(std::move(sources), generate);
    prompt_ms += written[0].prompt_ms;
    double longest = 0;
    for (size_t i = first; i < end; ++i) {
      longest = std::max(longest, written[i - first].generate_ms);
      parts[i].written = std::move(written[i - first]);
    }
    generate_ms += longest;
  }
  Summary summary;
  summary.written = joined(parts);
  summary.parts = std::move(parts);
  summary.written.prompt_ms = prompt_ms;
  summary.written.generate_ms = generate_ms;
  return summary;
}

Summary Summarizer::operator()(std::string_view text, const SummarizeOptions& options) const {
  Summary summary = pass(text, options);
  size_t parts = summary.parts.size();
  while (options.combine && parts > 1) {
    Summary next = pass(summary.written.text, options);
    if (next.parts.size() >= parts) {
      log(LogLevel::warning,
          fmt::format("summarize: {} parts' summaries make {} parts again, and are not combined; "
                      "shorter ones (--max-new-tokens) would be",
                      parts, next.parts.size()));
      break;
    }
    parts = next.parts.size();
    next.written.prompt_ms += summary.written.prompt_ms;
    next.written.generate_ms += summary.written.generate_ms;
    summary.written = std::move(next.written);
    ++summary.passes;
  }
  return summary;
}

}  // namespace heed
