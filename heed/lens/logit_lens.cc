#include "heed/lens/logit_lens.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/lens/labels.h"
#include "heed/ops/cross_entropy.h"

namespace heed {
namespace {

constexpr int64_t kMostLogits = int64_t{1} << 24;  // 64 MB

/// The blocks whose states are read, and what stands behind them: to_output makes of a state
/// between blocks what logits takes.
struct Stack {
  int64_t layers;
  int64_t vocab;
  std::function<Tensor(const Tensor&)> to_output;
  std::function<Tensor(const Tensor&)> logits;
};

/// Reads every state as it comes.
class Reader : public Observer {
 public:
  Reader(Stack stack, const std::vector<int32_t>& ids, int64_t top, const Progress& progress)
      : stack_(std::move(stack)), progress_(progress) {
    const int64_t rows = stack_.layers + 1;
    lens_.ids = ids;
    lens_.said = Tensor::empty({rows, std::ssize(ids), top}, DType::i32);
    lens_.probabilities = Tensor::empty({rows, std::ssize(ids), top});
    lens_.next = Tensor::full({rows, std::ssize(ids)}, std::numeric_limits<float>::quiet_NaN());
  }

  void hidden_state(int layer, const Tensor& state) override {  // [1, T, C]
    if (layer >= stack_.layers) return;
    read(layer, stack_.to_output(state));
    ++seen_;
  }

  /// Of the run that made `ready`.
  LogitLens finish(const Tensor& ready) && {
    if (seen_ != stack_.layers) {
      throw Error(ErrorCode::unsupported,
                  "lens: this model does not tell its states between layers");
    }
    read(stack_.layers, ready);
    return std::move(lens_);
  }

 private:
  /// ready [1, T, C]: what logits takes.
  void read(int64_t layer, const Tensor& ready) {
    const Tensor states = ready.select(0, 0);
    const int64_t together = std::clamp<int64_t>(kMostLogits / stack_.vocab, 1, 256);
    for (int64_t first = 0; first < states.size(0); first += together) {
      check_cancelled();
      const int64_t end = std::min(states.size(0), first + together);
      const Tensor logits = stack_.logits(states.slice(0, first, end));  // [R, V]
      parallel_for(end - first,
                   [&](int64_t row, int) { read_row(layer, first + row, logits.select(0, row)); });
    }
    if (progress_) progress_(layer + 1, lens_.rows());
  }

  void read_row(int64_t layer, int64_t token, const Tensor& logits) {  // [V]
    const auto all = logits.span<const float>();
    const int64_t top = lens_.said.size(2);
    std::vector<int32_t> ids(all.size());
    std::iota(ids.begin(), ids.end(), 0);
    const auto score = [&](int32_t id) { return all[static_cast<size_t>(id)]; };
    std::partial_sort(ids.begin(), ids.begin() + top, ids.end(), [&](int32_t a, int32_t b) {
      return score(a) != score(b) ? score(a) > score(b) : a < b;
    });
    const Tensor loss = cross_entropy(
        logits.reshape({1, -1}), Tensor::from(std::vector<int32_t>{ids[0]}, {1}), {.sum = true});
    const double whole = double{*loss.data<float>()} + score(ids[0]);  // ln sum exp
    for (int64_t i = 0; i < top; ++i) {
      const int32_t id = ids[static_cast<size_t>(i)];
      lens_.said.at<int32_t>({layer, token, i}) = id;
      lens_.probabilities.at({layer, token, i}) = static_cast<float>(std::exp(score(id) - whole));
    }
    const auto after = static_cast<size_t>(token + 1);
    if (after >= lens_.ids.size()) return;
    lens_.next.at({layer, token}) = static_cast<float>(score(lens_.ids[after]) - whole);
  }

  Stack stack_;
  const Progress& progress_;
  int64_t seen_ = 0;
  LogitLens lens_;
};

/// run(watched) gives what logits takes of the last state.
LogitLens lens_of(Stack stack, const std::vector<int32_t>& ids, int64_t top,
                  const Progress& progress, const std::function<Tensor(const Run&)>& run) {
  if (top < 1 || top > stack.vocab) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("lens: top must be from 1 to {}, the vocabulary, but is {}", stack.vocab, top));
  }
  Reader reader(std::move(stack), ids, top, progress);
  const Tensor last = run({.observer = &reader});
  return std::move(reader).finish(last);
}

}  // namespace

LogitLens logit_lens(const CausalModel& model, const std::vector<int32_t>& ids, int64_t top,
                     const Progress& progress) {
  const EncoderInput input = EncoderInput::from_rows({ids});
  return lens_of({.layers = model.facts().layers,
                  .vocab = model.facts().vocab,
                  .to_output = [&](const Tensor& state) { return model.final_norm(state); },
                  .logits = [&](const Tensor& state) { return model.logits(state); }},
                 ids, top, progress, [&](const Run& run) { return model(input, run); });
}

LogitLens logit_lens(const EncoderDecoder& model, const std::vector<int32_t>& source,
                     const std::vector<int32_t>& ids, int64_t top, const Progress& progress) {
  const Memory memory = model.encode(EncoderInput::from_rows({source}));
  const EncoderInput input = EncoderInput::from_rows({ids});
  return lens_of({.layers = model.facts().decoder_layers,
                  .vocab = model.facts().target_vocab,
                  .to_output = [&](const Tensor& state) { return model.final_norm(state); },
                  .logits = [&](const Tensor& state) { return model.logits(state); }},
                 ids, top, progress,
                 [&](const Run& run) { return model.decode(input.ids, memory, run); });
}

namespace {

std::string shown_token(const Tokenizer& tokenizer, int32_t id) {
  return visible_token(tokenizer.decode(std::vector<int32_t>{id}, false));
}

/// A row a layer, whose cells are said[layer, places[c].token, places[c].rank].
struct Place {
  int64_t token = 0;
  int64_t rank = 0;
};

TokenTable table_of(const LogitLens& lens, const Tokenizer& tokenizer,
                    const std::vector<Place>& places) {
  TokenTable table;
  table.values = Tensor::empty({lens.rows(), std::ssize(places)});
  for (int64_t row = 0; row < lens.rows(); ++row) {
    table.row_labels.push_back(row == 0 ? "embeddings" : fmt::format("layer {}", row - 1));
    for (size_t c = 0; c < places.size(); ++c) {
      const auto [token, rank] = places[c];
      table.cells.push_back(shown_token(tokenizer, lens.said.at<int32_t>({row, token, rank})));
      table.values.at({row, static_cast<int64_t>(c)}) = lens.probabilities.at({row, token, rank});
    }
  }
  return table;
}

}  // namespace

TokenTable lens_table(const LogitLens& lens, const Tokenizer& tokenizer) {
  std::vector<Place> places;
  for (int64_t token = 0; token < std::ssize(lens.ids); ++token) places.push_back({token, 0});
  TokenTable table = table_of(lens, tokenizer, places);
  for (const int32_t id : lens.ids) table.column_labels.push_back(shown_token(tokenizer, id));
  return table;
}

TokenTable lens_table_after(const LogitLens& lens, const Tokenizer& tokenizer, int64_t token) {
  std::vector<Place> places;
  for (int64_t rank = 0; rank < lens.said.size(2); ++rank) places.push_back({token, rank});
  TokenTable table = table_of(lens, tokenizer, places);
  for (const Place& place : places)
    table.column_labels.push_back(fmt::format("#{}", place.rank + 1));
  return table;
}

}  // namespace heed
