#pragma once

#include "heed/io/gguf_write.h"
#include "heed/models/config.h"
#include "heed/models/gguf_names.h"

namespace heed {

/// Writes what a config.json says as a GGUF file says it (gguf_config the other way round), scaled
/// positions that the format has as tables among the tensors. Error unsupported for what llama.cpp
/// has no words for (windows of some layers only, other activations). Internal: not installed.
void add_gguf_metadata(const ConfigReader& config, const GgufArchitecture& architecture,
                       GgufWriter& writer);

/// Beside the architecture's own: what kind of file it is. `kind` is that of most matrices.
void add_gguf_file_type(BlockKind kind, GgufWriter& writer);

}  // namespace heed
