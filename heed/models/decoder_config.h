#pragma once

#include "heed/models/config.h"
#include "heed/models/decoder.h"

namespace heed {

// What the readers of Llama's family share. Internal: not installed.

/// The sizes and choices that all of them name alike. Errors as the readers'.
DecoderConfig read_decoder(const ConfigReader& file, const char* architecture);

/// The object that says how frequencies are scaled, and where errors find it; empty if none does.
ConfigReader rope_scaling_of(const ConfigReader& file);

/// rope_theta and rope_scaling, or rope_parameters (transformers 5), which the former overrule;
/// head_dim and positions must be there.
void read_rotary(const ConfigReader& file, DecoderConfig& config);

/// sliding_window for the layers that layer_types names, or for those from max_window_layers on;
/// none unless use_sliding_window (Qwen2 and Qwen3).
void read_windowed_layers(const ConfigReader& file, DecoderConfig& config);

/// sliding_window for every layer; none where it is null.
void read_window(const ConfigReader& file, DecoderConfig& config, int64_t fallback);

}  // namespace heed
