#include "heed/models/recurrent.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "heed/base/error.h"
#include "heed/models/config.h"
#include "heed/ops/elementwise.h"
#include "heed/ops/reduce.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int32_t>::max();  // there are no positions

/// [B, S]: 0 for real tokens, -inf after them; undefined where all are real.
Tensor hidden_scores(const std::vector<int64_t>& lengths, int64_t batch, int64_t tokens) {
  if (padding_mask("recurrent", lengths, batch, tokens).empty()) return {};
  Tensor hidden = Tensor::zeros({batch, tokens});
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t s = lengths[static_cast<size_t>(b)]; s < tokens; ++s) {
      hidden.at({b, s}) = -std::numeric_limits<float>::infinity();
    }
  }
  return hidden;
}

}  // namespace

RecurrentConfig RecurrentConfig::read(const ConfigReader& file) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  RecurrentConfig config;
  const std::string cell = file.text("cell", "lstm");
  if (cell != "lstm" && cell != "gru") {
    throw Error(
        ErrorCode::unsupported,
        fmt::format("{}: cell must be \"lstm\" or \"gru\" but is \"{}\"", file.where(), cell));
  }
  config.cell = cell == "lstm" ? RecurrentCell::lstm : RecurrentCell::gru;
  config.attention = file.boolean("attention", false);
  config.source_vocab = file.integer("vocab_size", 1, kMost);
  config.target_vocab = file.integer("target_vocab_size", 1, kMost, config.source_vocab);
  config.width = file.integer("d_model", 1, 1 << 20);
  config.layers = file.integer("num_layers", 1, 1 << 12, 1);
  config.shared = file.boolean("share_embeddings", true);
  config.tied = file.boolean("tie_word_embeddings", true);
  if (config.shared && config.target_vocab != config.source_vocab) {
    file.refuse("target_vocab_size",
                fmt::format("vocab_size {}, as share_embeddings is true", config.source_vocab));
  }
  return config;
}

InitRule recurrent_init(int64_t width) {
  const float bound = 1 / std::sqrt(static_cast<float>(width));
  return [bound](std::string_view, const Shape&) { return Init::uniform(bound); };
}

Recurrent::Recurrent(const RecurrentConfig& config, const Params& params)
    : facts_{.architecture = "recurrent",
             .width = config.width,
             .encoder_layers = config.layers,
             .decoder_layers = config.layers,
             .encoder_heads = 0,
             .decoder_heads = config.attention ? 1 : 0,
             .max_tokens = kNoLimit,
             .any_length = true,
             .source_vocab = config.source_vocab,
             .target_vocab = config.target_vocab,
             .plain_sources = true},
      cell_(config.cell),
      attends_(config.attention) {
  const int64_t width = config.width;
  const Params source = params / (config.shared ? "embeddings" : "source_embeddings");
  const Params target = params / (config.shared ? "embeddings" : "target_embeddings");
  source_words_ = Embedding(source, config.source_vocab, width);
  target_words_ = Embedding(target, config.target_vocab, width);
  for (int64_t i = 0; i < config.layers; ++i) {
    RecurrentLayer::Sizes sizes{.inputs = width, .width = width, .layer = i};
    encoder_.emplace_back(params / "encoder", cell_, sizes);
    if (attends_ && i == 0) sizes.context = width;
    decoder_.emplace_back(params / "decoder", cell_, sizes);
  }
  if (attends_) attention_ = AdditiveAttention(params / "attention", width);
  const LinearWeights output =
      config.tied
          ? target_words_.weights()
          : LinearWeights(params / "output", width, config.target_vocab, /*with_bias=*/false);
  output_weight_ = output.weight;
  output_ = Linear(output);
}

Memory Recurrent::encode(const EncoderInput& source, const Run& run) const {
  Dims dims("recurrent");
  dims.bind("source ids", source.ids, "B S", DType::i32);
  padding_mask("recurrent", source.lengths, dims['B'], dims['S']);  // checks the lengths
  Memory memory{.states = run.drop(source_words_(source.ids)), .lengths = source.lengths};
  for (const RecurrentLayer& layer : encoder_) {
    RecurrentState state = layer.start(dims['B']);
    memory.states = run_steps(layer, memory.states, source.lengths, state, run);  // [B, S, C]
    memory.last.push_back(state.h);
    if (state.c) memory.last.push_back(state.c);
  }
  return memory;
}

/// Each layer's state, as encode() put them down.
std::vector<RecurrentState> Recurrent::states_of(const Memory& memory) const {
  std::vector<RecurrentState> states;
  const size_t parts = cell_ == RecurrentCell::lstm ? 2 : 1;
  for (size_t i = 0; i < memory.last.size(); i += parts) {
    states.push_back({memory.last[i], parts == 2 ? memory.last[i + 1] : Tensor()});
  }
  return states;
}

Tensor Recurrent::decode(const Tensor& ids, const Memory& memory, const Run& run) const {
  Dims dims("recurrent");
  dims.bind("memory", memory.states, "B S C").bind("target ids", ids, "B T", DType::i32);
  std::vector<RecurrentState> states = states_of(memory);
  Tensor x = run.drop(target_words_(ids));  // [B, T, C]
  if (attends_) return attend(x, memory, states, run);
  for (size_t i = 0; i < decoder_.size(); ++i) x = run_steps(decoder_[i], x, {}, states[i], run);
  return x;
}

/// words [B, T, C] -> the states of all steps [B, T, C].
Tensor Recurrent::attend(const Tensor& words, const Memory& memory,
                         std::vector<RecurrentState>& states, const Run& run) const {
  const Tensor keys = attention_.keys(memory.states);  // [B, S, C]
  const Tensor hidden = hidden_scores(memory.lengths, memory.states.size(0), memory.states.size(1));
  const Tensor gates = decoder_[0].gates(words);  // [B, T, G C]
  std::vector<Tensor> steps;
  for (int64_t t = 0; t < words.size(1); ++t) {
    run.step();
    const Tensor context = attention_(states.back().h, keys, memory.states, hidden);  // [B, C]
    const Tensor sums = add(gates.select(1, t), decoder_[0].context_gates(context));
    states[0] = decoder_[0](sums, states[0]);
    for (size_t i = 1; i < decoder_.size(); ++i) {
      states[i] = decoder_[i](decoder_[i].gates(states[i - 1].h), states[i]);
    }
    steps.push_back(states.back().h.unsqueeze(1));
  }
  return concatenate(steps, 1);
}

}  // namespace heed
