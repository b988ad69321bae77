#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace heed {

/// An architecture as GGUF and as Hugging Face name it. Internal: not installed.
struct GgufArchitecture {
  std::string_view name;        // general.architecture
  std::string_view model_type;  // of config.json
  std::string_view class_name;  // of config.json's architectures
  /// Rows of q and k are stored in the order of interleaved rotation (2i, 2i + 1), where Hugging
  /// Face has halves (i, i + D/2).
  bool interleaved = false;
};

/// Error unsupported names those that Heed has; `where` begins it.
const GgufArchitecture& gguf_architecture(std::string_view name, std::string_view where);
/// Of a config.json's model_type; null if GGUF files of it are not written.
const GgufArchitecture* gguf_architecture_of(std::string_view model_type);
/// Model types that gguf_architecture_of() knows.
std::vector<std::string> gguf_model_types();

/// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight"; nothing for names that stand
/// for no weight (tables of angles).
std::optional<std::string> hugging_face_name(const GgufArchitecture& architecture,
                                             std::string_view gguf_name);
/// The other way round. GPT-2's names may lack "transformer.".
std::optional<std::string> gguf_name(const GgufArchitecture& architecture,
                                     std::string_view hugging_face_name);

/// Whether Hugging Face stores the matrix of this GGUF name as [K, N] (GPT-2's Conv1D); GGUF has
/// every matrix as [N, K].
bool is_input_major(const GgufArchitecture& architecture, std::string_view gguf_name);
/// 'q' or 'k' for the weights and biases whose rows rotate ("blk.3.attn_q.bias").
std::optional<char> rotated_part(std::string_view gguf_name);

}  // namespace heed
