#pragma once

#include <cmath>
#include <filesystem>
#include <string>

#include "heed/base/file.h"
#include "heed/base/random.h"
#include "heed/io/npy.h"
#include "heed/io/safetensors.h"

// A BERT with random weights and room for long texts, as tools/make_random_bert.py makes one, but
// smaller: 2 layers, 2 heads, width 16. Its vocabulary are the letters and some words.

namespace heed::testing {

inline void write_random_bert(const std::filesystem::path& folder, int64_t positions,
                              uint64_t seed = 0) {
  constexpr int64_t kWidth = 16, kInner = 32, kWords = 62, kVocab = 5 + kWords;
  TorchRandom random(seed);
  NamedTensors weights;
  const auto add = [&](const std::string& name, const Shape& shape, float size) {
    const Tensor values = Tensor::empty(shape);
    random.randn(values.span<float>());
    for (float& value : values.span<float>()) value *= size;
    weights.emplace_back(name, values);
  };
  const auto add_linear = [&](const std::string& name, int64_t outputs, int64_t inputs) {
    add(name + ".weight", {outputs, inputs}, 1.5f / std::sqrt(static_cast<float>(inputs)));
    add(name + ".bias", {outputs}, 0.1f);
  };
  const auto add_norm = [&](const std::string& name) {
    weights.emplace_back(name + ".weight", Tensor::full({kWidth}, 1));
    weights.emplace_back(name + ".bias", Tensor::zeros({kWidth}));
  };
  add("embeddings.word_embeddings.weight", {kVocab, kWidth}, 1);
  add("embeddings.position_embeddings.weight", {positions, kWidth}, 1);
  add("embeddings.token_type_embeddings.weight", {2, kWidth}, 1);
  add_norm("embeddings.LayerNorm");
  for (const std::string layer : {"encoder.layer.0", "encoder.layer.1"}) {
    for (const char* part : {"query", "key", "value"}) {
      add_linear(layer + ".attention.self." + part, kWidth, kWidth);
    }
    add_linear(layer + ".attention.output.dense", kWidth, kWidth);
    add_norm(layer + ".attention.output.LayerNorm");
    add_linear(layer + ".intermediate.dense", kInner, kWidth);
    add_linear(layer + ".output.dense", kWidth, kInner);
    add_norm(layer + ".output.LayerNorm");
  }
  write_safetensors(folder / "model.safetensors", weights);
  std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (char letter = 'a'; letter <= 'z'; ++letter) vocabulary += std::string(1, letter) + "\n";
  for (int64_t word = 26; word < kWords; ++word) vocabulary += "x" + std::to_string(word) + "\n";
  write_file(folder / "vocab.txt", vocabulary);
  write_file(folder / "config.json",
             R"({"model_type": "bert", "vocab_size": 67, "hidden_size": 16, "num_hidden_layers": 2,
                 "num_attention_heads": 2, "intermediate_size": 32, "type_vocab_size": 2,
                 "max_position_embeddings": )" +
                 std::to_string(positions) + "}");
}

/// Letters that no rule makes: "q w e ...".
inline std::string letters(int64_t count) {
  std::string text;
  uint32_t state = 1;
  for (int64_t i = 0; i < count; ++i) {
    state = state * 1664525 + 1013904223;
    text += std::string(1, static_cast<char>('a' + (state >> 16) % 26)) + " ";
  }
  return text;
}

}  // namespace heed::testing
