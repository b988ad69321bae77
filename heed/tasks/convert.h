#pragma once

#include <filesystem>
#include <optional>

#include "heed/base/block_kind.h"
#include "heed/base/progress.h"

namespace heed {

struct ConvertOptions {
  /// What matrices become: f32, bf16, f16, and in GGUF files q8_0, q4_0 or q4_1. Absent: what they
  /// are.
  std::optional<BlockKind> dtype = {};
  Progress progress = {};  // in bytes of weights
};

/// Writes a model anew, weight by weight: a folder with config.json and model.safetensors, or a
/// GGUF file, as `out`, which is a file if its name ends in .gguf and a folder otherwise. What
/// transformers has in another order or shape than llama.cpp (rotated heads, GPT-2's matrices) is
/// turned; the tokenizer, the chat template and the ids that end texts go along. With q4_0 and
/// q4_1 the matrix that makes the logits is q8_0; vectors of a GGUF file are f32, those of a folder
/// are as its matrices. A folder appears whole or not at all.
///
/// Error unsupported for an architecture or a tokenizer that the other form has no words for, and
/// for quantised weights in a folder; invalid_argument if the folder is there already; io_failure
/// and cancelled with nothing left behind; those of load_causal_model.
void convert_model(const std::filesystem::path& model, const std::filesystem::path& out,
                   const ConvertOptions& options = {});

}  // namespace heed
