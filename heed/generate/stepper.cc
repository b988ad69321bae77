#include "heed/generate/stepper.h"

#include <algorithm>

#include "heed/base/error.h"

namespace heed {
namespace {

/// The state of each row's last real token: states [R, T, C] -> [R, C].
Tensor last_states(const Tensor& states, const std::vector<int64_t>& lengths) {
  const int64_t width = states.size(2);
  Tensor last = Tensor::empty({states.size(0), width});
  for (int64_t r = 0; r < states.size(0); ++r) {
    const Tensor state = states.select(0, r).select(0, lengths[static_cast<size_t>(r)] - 1);
    std::copy_n(state.data<float>(), width, last.data<float>() + r * width);
  }
  return last;
}

}  // namespace

MemoryStepper::MemoryStepper(std::shared_ptr<const EncoderDecoder> model, Memory memory,
                             const KvCacheOptions& options)
    : model_(std::move(model)), memory_(std::move(memory)), cache_(options) {}

Tensor MemoryStepper::next(const std::vector<std::vector<int32_t>>& rows,
                           std::span<const int64_t> parents) {
  check_rows(rows, {});
  HEED_ASSERT(parents.empty() || parents.size() == rows.size());
  const bool one_source = memory_.states.size(0) == 1;
  HEED_ASSERT(!parents.empty() || one_source || std::ssize(rows) == memory_.states.size(0));
  std::vector<Text> texts;
  std::vector<std::vector<int32_t>> unread;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (parents.empty()) {
      texts.push_back({one_source ? 0 : static_cast<int64_t>(i), cache_.row()});
    } else {
      const Text& parent = texts_.at(static_cast<size_t>(parents[i]));
      texts.push_back({parent.source, parent.kept.first(std::ssize(rows[i]) - 1)});
    }
    unread.emplace_back(rows[i].begin() + texts.back().kept.tokens(), rows[i].end());
  }
  texts_ = std::move(texts);  // pages that no row holds any more are free
  const EncoderInput input = EncoderInput::from_rows(unread);
  return model_->logits(last_states(read(input), input.lengths));
}

/// One run over the next tokens of each text -> [R, T, C].
Tensor MemoryStepper::read(const EncoderInput& input) {
  std::vector<int64_t> sources;
  for (const Text& text : texts_) sources.push_back(text.source);
  if (sources != sources_) {
    sources_ = std::move(sources);
    read_ = memory_.rows(sources_);
    kept_.set_rows(sources_);
  }
  if (!model_->caches()) return model_->decode(input.ids, read_);
  std::vector<KvRow*> rows;
  for (Text& text : texts_) rows.push_back(&text.kept);
  KvRun run(rows, input.lengths, &kept_);
  const Tensor states = model_->decode(input.ids, read_, {.cache = &run});
  run.finish();
  return states;
}

}  // namespace heed
