#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/generate/stepper.h"

namespace heed {
namespace {

using Ids = std::vector<int32_t>;

// Tokens of a run over several rows: enough that weights are read once for many of them, few enough
// that what lies between the layers stays small.
constexpr int64_t kTokensTogether = 1024;

int64_t common_prefix(const Ids& a, const Ids& b) {
  const auto most = static_cast<std::ptrdiff_t>(std::min(a.size(), b.size()));
  if (std::equal(a.begin(), a.begin() + most, b.begin())) return most;  // as fast as memory is
  return std::mismatch(a.begin(), a.begin() + most, b.begin()).first - a.begin();
}

}  // namespace

std::vector<int32_t> sliding_window(const Ids& text, int64_t positions, int64_t sinks) {
  const int64_t step = (positions - sinks) / 2;
  if (sinks < 0 || step < 1) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("generate: a window that slides keeps {} tokens (sinks, 0 or more) and needs "
                    "room for 2 beside them, but the model has {} positions; let texts end there",
                    sinks, positions));
  }
  const int64_t over = std::ssize(text) - positions;
  if (over <= 0) return text;
  const int64_t gap = (over + step - 1) / step * step;
  Ids kept(text.begin(), text.begin() + sinks);
  kept.insert(kept.end(), text.begin() + sinks + gap, text.end());
  return kept;
}

CachedStepper::CachedStepper(std::shared_ptr<const CausalModel> model,
                             const CachedStepperOptions& options)
    : model_(std::move(model)), options_(options), cache_(options.cache) {
  if (options.at_end == ContextEnd::slide) {
    sliding_window({}, model_->facts().max_tokens, options.sinks);  // checks the sinks
  }
}

int64_t CachedStepper::max_tokens() const {
  return options_.at_end == ContextEnd::slide ? std::numeric_limits<int64_t>::max()
                                              : model_->facts().max_tokens;
}

/// Tokens of the source that need not be read again, because ids begin so.
int64_t CachedStepper::usable_tokens(const Text& source, const Ids& ids) const {
  const int64_t read = std::min(source.kept.tokens(), std::ssize(ids) - 1);
  const int64_t alike = std::min(common_prefix(ids, source.ids), read);
  // what the next token sees may have been let go of
  const int64_t seen_from = std::max<int64_t>(0, alike + 1 - model_->memory_tokens());
  return source.kept.freed() <= seen_from ? alike : 0;
}

/// A text with the pages of whichever source begins most alike. Its last token is read anyway: its
/// state is asked for.
CachedStepper::Text CachedStepper::continued(const Ids& ids, std::span<const Text> sources) const {
  int64_t most = 0;
  const Text* best = nullptr;
  for (const Text& source : sources) {
    const int64_t alike = usable_tokens(source, ids);
    if (alike > most) most = alike, best = &source;
  }
  return {ids, best == nullptr ? cache_.row() : best->kept.first(most), Tensor()};
}

Tensor CachedStepper::next(const std::vector<Ids>& rows, std::span<const int64_t> parents) {
  check_rows(rows, {});
  HEED_ASSERT(parents.empty() || parents.size() == rows.size());
  for (const int64_t parent : parents) HEED_ASSERT(parent >= 0 && parent < std::ssize(texts_));
  std::vector<Text> texts;
  texts.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::span<const Text> before = texts_;
    const auto sources =
        parents.empty() ? before : before.subspan(static_cast<size_t>(parents[i]), 1);
    texts.push_back(
        continued(options_.at_end == ContextEnd::slide
                      ? sliding_window(rows[i], model_->facts().max_tokens, options_.sinks)
                      : rows[i],
                  sources));
  }
  texts_ = std::move(texts);  // pages that no row holds any more are free
  read_all(parents.empty());
  const int64_t width = model_->facts().width;
  const Tensor states = Tensor::empty({std::ssize(texts_), width});
  for (size_t i = 0; i < texts_.size(); ++i) {
    std::copy_n(texts_[i].state.data<float>(), width,
                states.data<float>() + static_cast<int64_t>(i) * width);
  }
  return model_->logits(states);
}

/// Reads all rows; new ones that begin as an earlier one does wait until that is read.
void CachedStepper::read_all(bool are_new) {
  std::vector<Text*> first, later;
  for (Text& text : texts_) {
    const bool waits =
        are_new && std::ranges::any_of(first, [&](const Text* other) {
          const int64_t most = std::ssize(text.ids) - 1;
          return std::min(common_prefix(text.ids, other->ids), most) > text.kept.tokens();
        });
    (waits ? later : first).push_back(&text);
  }
  reused_tokens_ = 0;
  for (const Text* text : first) reused_tokens_ += text->kept.tokens();
  read(first);
  for (Text* text : later) {
    *text = continued(text->ids, texts_);
    reused_tokens_ += text->kept.tokens();
  }
  read(later);
}

void CachedStepper::read(const std::vector<Text*>& texts) {
  if (model_->memory_tokens() == 0) {  // else pages come free on the way
    std::vector<std::pair<int64_t, int64_t>> growth;
    for (const Text* text : texts) growth.emplace_back(text->kept.tokens(), std::ssize(text->ids));
    cache_.reserve(growth);
  }
  std::vector<Text*> unread = texts;
  while (!unread.empty()) {
    check_cancelled();
    read_some(unread);
    std::erase_if(unread, [](const Text* text) { return text->left() == 0; });
  }
}

/// One run over the next tokens of each, but for those that would have no positions for its
/// padding: they wait for a shorter one.
void CachedStepper::read_some(std::vector<Text*> texts) {
  int64_t tokens = 0;
  for (const Text* text : texts) tokens = std::max(tokens, text->left());
  tokens = std::min(tokens, std::max<int64_t>(kTokensTogether / std::ssize(texts), 1));
  std::erase_if(texts, [&, most = model_->facts().max_tokens](const Text* text) {
    return text->kept.tokens() + tokens > most && std::ssize(text->ids) <= most;
  });
  const auto rows = std::ssize(texts);
  const Tensor ids = Tensor::zeros({rows, tokens}, DType::i32);
  std::vector<KvRow*> kept;
  std::vector<int64_t> counts;
  for (Text* text : texts) {
    const auto row = static_cast<int64_t>(counts.size());
    counts.push_back(std::min(text->left(), tokens));
    std::copy_n(text->ids.begin() + text->kept.tokens(), counts.back(),
                ids.data<int32_t>() + row * tokens);
    kept.push_back(&text->kept);
  }
  KvRun run(kept, counts);
  const Tensor states = model_->hidden(ids, {.observer = observer_, .cache = &run});  // [R, T, C]
  run.finish();
  for (int64_t row = 0; row < rows; ++row) {
    Text& text = *texts[static_cast<size_t>(row)];
    if (const int64_t memory = model_->memory_tokens(); memory > 0) {
      text.kept.free_before(text.kept.tokens() + 1 - memory - options_.kept_tokens);
    }
    if (text.left() > 0) continue;
    text.state = states.select(0, row).select(0, counts[static_cast<size_t>(row)] - 1);
  }
}

}  // namespace heed
