#pragma once

#include "heed/base/block_kind.h"
#include "heed/models/config.h"
#include "heed/nn/params.h"

namespace heed {

/// The same weights with their matrices converted to the kind, each when it is asked for: f32,
/// bf16, f16, q8_0, q4_0 or q4_1; what is quantised is de-quantised first. Vectors, tables of
/// positions and matrices whose rows are no whole blocks stay as they are, and with q4_0 and q4_1
/// the matrix that makes the logits is q8_0, as llama.cpp's files have it (its errors reach them
/// unsoftened). Error unsupported for other kinds. Internal: not installed.
Params converted_params(const Params& params, BlockKind kind, const ConfigReader& config);

/// The same weights, whose products round their inputs to 8 bits where the weights are quantised.
/// Error invalid_argument if none of them is. Internal: not installed.
Params with_int8_inputs(const Params& params);

/// Whether a config says that the output's matrix is the embeddings' table, in its words or in its
/// family's.
bool ties_output(const ConfigReader& config);

/// What a matrix of these rows is stored as when a model is converted to `kind`: `kind`, q8_0, or
/// nothing for what is kept. `name` is Hugging Face's.
std::optional<BlockKind> converted_kind(std::string_view name, int64_t columns, BlockKind kind,
                                        bool tied);

}  // namespace heed
