#include "heed/models/converted_params.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <mutex>

#include "heed/base/error.h"
#include "heed/models/gguf_names.h"
#include "heed/ops/blocks.h"

namespace heed {
namespace {

constexpr std::array kKinds = {BlockKind::f32,  BlockKind::bf16, BlockKind::f16,
                               BlockKind::q8_0, BlockKind::q4_0, BlockKind::q4_1};

/// Tables that are no factors of products: few numbers, of which each one counts.
bool is_small_table(std::string_view name) {
  constexpr std::array<std::string_view, 5> kTables = {
      "wpe.weight", "position_embeddings.weight", "token_type_embeddings.weight",
      "embed_positions.weight", "relative_attention_bias.weight"};
  return std::ranges::any_of(kTables,
                             [&](std::string_view table) { return name.ends_with(table); });
}

/// The matrix whose products are the logits: the output's, or the embeddings' where they share it.
bool makes_logits(std::string_view name, bool tied) {
  constexpr std::array<std::string_view, 3> kEmbeddings = {"embed_tokens.weight", "wte.weight",
                                                           "shared.weight"};
  if (name == "lm_head.weight") return true;
  return tied && std::ranges::any_of(kEmbeddings,
                                     [&](std::string_view table) { return name.ends_with(table); });
}

class ConvertedSource : public Params::Source {
 public:
  ConvertedSource(std::shared_ptr<const Source> stored, BlockKind kind, const ConfigReader& config)
      : stored_(std::move(stored)),
        kind_(kind),
        architecture_(gguf_architecture_of(config.text("model_type", ""))),
        tied_(ties_output(config)) {}

  Tensor find(const std::string& name) const override {
    const auto kind = kind_of(name);
    if (!kind) return stored_->find(name);
    if (*kind != BlockKind::f32) return {};
    const Tensor numbers = rows_of(name);
    return is_turned(name) ? numbers.transpose(0, 1) : numbers;
  }

  std::optional<BlockMatrix> blocks(const std::string& name) const override {
    const auto kind = kind_of(name);
    if (!kind) return stored_->blocks(name);
    if (*kind == BlockKind::f32) return std::nullopt;
    const std::scoped_lock lock(mutex_);  // one at a time: conversion itself uses all threads
    const auto made = made_.find(name);
    if (made != made_.end()) return made->second;
    return made_.emplace(name, quantize(rows_of(name), *kind)).first->second;
  }

  std::vector<std::string> names() const override { return stored_->names(); }
  std::string describe() const override { return stored_->describe(); }
  void release(const std::string& name) const override {
    stored_->release(name);
    const std::scoped_lock lock(mutex_);
    made_.erase(name);
  }

 private:
  bool is_turned(std::string_view name) const {
    if (architecture_ == nullptr) return false;
    const auto stored = gguf_name(*architecture_, name);
    return stored && is_input_major(*architecture_, *stored);
  }

  /// What the weight becomes; nothing for what is served as it is.
  std::optional<BlockKind> kind_of(const std::string& name) const {
    if (!name.ends_with(".weight")) return std::nullopt;
    const auto blocks = stored_->blocks(name);
    const Tensor numbers = blocks ? Tensor() : stored_->find(name);
    if (!blocks && (!numbers || numbers.rank() != 2)) return std::nullopt;
    const int64_t columns = blocks ? blocks->columns : numbers.size(is_turned(name) ? 0 : 1);
    return converted_kind(name, columns, kind_, tied_);
  }

  /// [N, K] f32.
  Tensor rows_of(const std::string& name) const {
    if (const auto blocks = stored_->blocks(name)) return dequantize(*blocks);
    const Tensor numbers = stored_->find(name).to(DType::f32);
    return is_turned(name) ? numbers.transpose(0, 1) : numbers;
  }

  std::shared_ptr<const Source> stored_;
  BlockKind kind_;
  const GgufArchitecture* architecture_;
  bool tied_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, BlockMatrix> made_;  // until they are released
};

class Int8Source : public Params::Source {
 public:
  explicit Int8Source(std::shared_ptr<const Source> stored) : stored_(std::move(stored)) {}

  Tensor find(const std::string& name) const override { return stored_->find(name); }
  std::optional<BlockMatrix> blocks(const std::string& name) const override {
    auto matrix = stored_->blocks(name);
    if (matrix) matrix->int8_inputs = block_size(matrix->kind) > 1;
    return matrix;
  }
  std::vector<std::string> names() const override { return stored_->names(); }
  std::string describe() const override { return stored_->describe(); }
  void release(const std::string& name) const override { stored_->release(name); }

 private:
  std::shared_ptr<const Source> stored_;
};

}  // namespace

bool ties_output(const ConfigReader& config) {
  const GgufArchitecture* decoder = gguf_architecture_of(config.text("model_type", ""));
  return config.boolean("tie_word_embeddings", decoder == nullptr || decoder->name == "gpt2");
}

std::optional<BlockKind> converted_kind(std::string_view name, int64_t columns, BlockKind kind,
                                        bool tied) {
  if (is_small_table(name)) return std::nullopt;
  const bool fine = makes_logits(name, tied) && block_bytes(kind) < block_bytes(BlockKind::q8_0) &&
                    block_size(kind) > 1;
  const BlockKind wanted = fine ? BlockKind::q8_0 : kind;
  if (columns % block_size(wanted) != 0) return std::nullopt;
  return wanted;
}

Params converted_params(const Params& params, BlockKind kind, const ConfigReader& config) {
  if (std::ranges::find(kKinds, kind) == kKinds.end()) {
    throw Error(ErrorCode::unsupported,
                fmt::format("weights cannot be converted to {}; f32, bf16, f16, q8_0, q4_0 and "
                            "q4_1 they can",
                            to_string(kind)));
  }
  return Params(std::make_shared<ConvertedSource>(params.source(), kind, config));
}

Params with_int8_inputs(const Params& params) {
  const auto& stored = params.source();
  const auto is_quantized = [&](const std::string& name) {
    const auto matrix = name.ends_with(".weight") ? stored->blocks(name) : std::nullopt;
    return matrix && block_size(matrix->kind) > 1;
  };
  if (!std::ranges::any_of(stored->names(), is_quantized)) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("8-bit activations: needed quantised weights, found none in {}; --dtype "
                    "q8_0, q4_0 or q4_1 quantises them",
                    stored->describe()));
  }
  return Params(std::make_shared<Int8Source>(stored));
}

}  // namespace heed
