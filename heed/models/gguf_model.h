#pragma once

#include "heed/io/gguf.h"
#include "heed/models/config.h"
#include "heed/nn/params.h"

namespace heed {

// A GGUF file as if it were a folder of Hugging Face's: its metadata as config.json and its tensors
// under the names of model.safetensors. Architectures: llama (Mistral's too), gpt2, qwen2, qwen3,
// phi3. Internal: not installed.

/// What config.json says of the model. Fields beside Hugging Face's: "rope_interleaved" (true:
/// rows of q and k are in the order of interleaved rotation). Scaled positions that the file has as
/// a table are "longrope" with these factors. Error unsupported for other architectures, mixtures
/// of experts and one file of several; corrupt_data names the metadata that is missing or wrong.
ConfigReader gguf_config(const Gguf& file);

/// Its weights, in the file's memory, matrices of quantised blocks as blocks. Errors as
/// gguf_config's.
Params gguf_params(const Gguf& file);

}  // namespace heed
