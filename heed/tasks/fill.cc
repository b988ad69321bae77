#include "heed/tasks/fill.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/io/hub.h"
#include "heed/models/heads.h"
#include "heed/ops/embedding.h"
#include "heed/tasks/batches.h"
#include "heed/tasks/classify.h"

namespace heed {
namespace {

std::vector<size_t> places_of(const std::vector<int32_t>& ids, int32_t token) {
  std::vector<size_t> places;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] == token) places.push_back(i);
  }
  return places;
}

}  // namespace

MaskFiller MaskFiller::load(std::string_view name_or_path) {
  const std::filesystem::path folder = find_model(name_or_path);
  MaskFiller filler;
  filler.model_ = load_head(folder, HeadTask::fill);
  filler.tokenizer_ = Tokenizer::load(folder);
  const auto mask = mask_id(*filler.tokenizer_);
  if (!mask) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: the tokenizer has no [MASK] or <mask>", folder.string()));
  }
  filler.mask_ = *mask;
  return filler;
}

std::vector<int32_t> MaskFiller::target_ids(const FillOptions& options) const {
  RunNotes own;
  RunNotes& notes = options.notes != nullptr ? *options.notes : own;
  std::vector<int32_t> ids;
  for (const std::string& target : options.targets) {
    auto id = tokenizer_->id_of(target);
    if (!id) {
      const Encoding pieces = tokenizer_->encode(target, {.add_special = false, .max_tokens = 1});
      if (pieces.ids.empty()) {
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("fill: the target {} has no token", in_quotes(target)));
      }
      id = pieces.ids[0];
      notes.tell_once(fmt::format("fill: the target {} is no token; {} stands for it",
                                  in_quotes(target), in_quotes(pieces.tokens[0])));
    }
    // a tokenizer may have more pieces than the model that stands beside it
    if (*id >= model_->output().weight.size(0)) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("fill: the target {} has id {}, but the model knows {} tokens",
                              in_quotes(target), *id, model_->output().weight.size(0)));
    }
    ids.push_back(*id);
  }
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

std::vector<Filling> MaskFiller::best_of(std::span<const float> logits,
                                         const std::vector<int32_t>& targets, int64_t top_k) const {
  const std::vector<float> scores = softmax_of(logits);
  std::vector<int32_t> ids = targets;
  if (ids.empty()) {
    ids.resize(scores.size());
    std::iota(ids.begin(), ids.end(), 0);
  }
  const auto score = [&](int32_t id) { return scores[static_cast<size_t>(id)]; };
  const auto count = static_cast<std::ptrdiff_t>(std::min<int64_t>(top_k, std::ssize(ids)));
  std::partial_sort(ids.begin(), ids.begin() + count, ids.end(), [&](int32_t a, int32_t b) {
    return score(a) != score(b) ? score(a) > score(b) : a < b;
  });
  std::vector<Filling> best;
  for (const int32_t id : std::span(ids).first(static_cast<size_t>(count))) {
    best.push_back({.score = score(id),
                    .token = id,
                    .token_text = tokenizer_->decode(std::span(&id, 1), /*skip_special=*/false),
                    .sequence = {}});
  }
  return best;
}

void MaskFiller::write_sequences(const Encoding& encoding, size_t place, bool single,
                                 std::vector<Filling>& fillings) const {
  std::vector<int32_t> ids = encoding.ids;
  for (Filling& filling : fillings) {
    ids[place] = filling.token;
    std::vector<int32_t> shown = ids;
    std::erase(shown, tokenizer_->pad_id().value_or(-1));
    filling.sequence = tokenizer_->decode(shown, single);
  }
}

std::vector<std::vector<std::vector<Filling>>> MaskFiller::operator()(
    std::span<const std::string> texts, const FillOptions& options) const {
  const std::vector<int32_t> targets = target_ids(options);
  const EncoderFacts& facts = model_->encoder().facts();
  const std::vector<Encoding> encodings =
      encode_texts(*tokenizer_, texts, facts.max_tokens, "fill", options.notes);
  std::vector<std::vector<size_t>> places;
  for (size_t i = 0; i < texts.size(); ++i) {
    places.push_back(places_of(encodings[i].ids, mask_));
    if (!places.back().empty()) continue;
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("fill: needs a {} among the {} tokens that the model reads of {}, found "
                    "none",
                    mask(), encodings[i].ids.size(), in_quotes(texts[i])));
  }
  std::vector<std::vector<std::vector<Filling>>> results(texts.size());
  int64_t done = 0;
  in_batches(lengths_of(encodings), options.batch, [&](std::span<const size_t> rows) {
    const Tensor features = model_->features(input_of(encodings, rows, facts));  // [B, T, C]
    std::vector<int32_t> masked;  // of the batch's B T places
    for (size_t b = 0; b < rows.size(); ++b) {
      for (const size_t place : places[rows[b]]) {
        masked.push_back(static_cast<int32_t>(b) * static_cast<int32_t>(features.size(1)) +
                         static_cast<int32_t>(place));
      }
    }
    const Tensor chosen = embedding(features.reshape({-1, features.size(2)}),
                                    Tensor::from(masked, {std::ssize(masked)}));  // [masks, C]
    const Tensor logits =
        linear(chosen, model_->output().weight, model_->output().bias);  // [masks, V]
    const auto vocab = static_cast<size_t>(logits.size(1));
    size_t mask = 0;
    for (const size_t row : rows) {
      for (const size_t place : places[row]) {
        std::vector<Filling>& best = results[row].emplace_back(
            best_of(logits.span<float>().subspan(mask++ * vocab, vocab), targets, options.top_k));
        write_sequences(encodings[row], place, places[row].size() == 1, best);
      }
    }
    done += std::ssize(rows);
    if (options.progress) options.progress(done, std::ssize(texts));
  });
  return results;
}

}  // namespace heed
