#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace heed {

/// The ids that begin and end texts, as a checkpoint's generation_config.json says, else its
/// config.json; or as a GGUF file says.
struct SpecialIds {
  std::optional<int32_t> begin;          // bos_token_id
  std::vector<int32_t> end;              // eos_token_id: none, one or some
  std::optional<int32_t> decoder_start;  // decoder_start_token_id, else begin

  /// Error corrupt_data names a field that is no id.
  static SpecialIds read(const std::filesystem::path& model);

  /// A text, encoded without special tokens, as an encoder-decoder reads it: with the (first) end
  /// id after it, if it does not end so already. Its translation is written after decoder_start, up
  /// to an end id.
  std::vector<int32_t> as_source(std::vector<int32_t> ids) const;
};

}  // namespace heed
