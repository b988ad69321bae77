#pragma once

#include <filesystem>

#include "heed/train/checkpoint.h"

namespace heed::internal {

/// state.json of a checkpoint: step, progress, run and the sizes and sums of the files beside it,
/// under a sum of its own.
void write_state(const TrainingState& state, bool best, const std::filesystem::path& folder);

inline constexpr const char* kModelFile = "model.safetensors";
inline constexpr const char* kOptimizerFile = "optimizer.safetensors";

}  // namespace heed::internal
