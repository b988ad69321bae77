#include "heed/models/model_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/io/adapter.h"
#include "heed/models/converted_params.h"
#include "heed/models/gguf_model.h"

namespace heed {

namespace fs = std::filesystem;

namespace {

/// The tensor of a checkpoint whose name ends in one of these; empty: none.
template <size_t kCount>
std::string ending_in(const Checkpoint& checkpoint, const std::array<const char*, kCount>& ends) {
  for (const auto& entry : checkpoint.entries()) {
    const std::string& name = entry.first;
    if (std::ranges::any_of(ends, [&](const char* end) { return name.ends_with(end); })) {
      return name;
    }
  }
  return "";
}

bool same_numbers(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  const auto bytes = static_cast<size_t>(a.numel() * size_of(a.dtype()));
  return std::memcmp(a.raw_data(), b.raw_data(), bytes) == 0;
}

/// PEFT keeps an output's matrix that was trained beside an adapter (modules_to_save) apart from
/// the table that it was one with: a model whose config makes them one would not read it.
void check_output(const Checkpoint& checkpoint, const fs::path& adapter) {
  constexpr std::array kOutputs = {"lm_head.weight", "lm_head.decoder.weight",
                                   "predictions.decoder.weight"};
  constexpr std::array kTables = {"wte.weight", "embed_tokens.weight", "word_embeddings.weight",
                                  "shared.weight"};
  const ConfigReader config = read_model_config(adapter);
  if (!ties_output(config) || config.text("model_type", "").ends_with("t5")) return;  // reads it
  const std::string output = ending_in(checkpoint, kOutputs);
  const std::string table = ending_in(checkpoint, kTables);
  if (output.empty()) return;
  if (checkpoint.entries().at(output).file.filename() != kAdapterWeights) return;
  if (!table.empty() && same_numbers(checkpoint.load(output), checkpoint.load(table))) return;
  throw Error(ErrorCode::unsupported,
              fmt::format("adapter {}: its {} is not the table of its embeddings, which the config "
                          "makes one (tie_word_embeddings); needed a config.json beside it that "
                          "does not",
                          adapter.string(), in_quotes(output)));
}

Params stored_params(const fs::path& model) {
  if (is_gguf(model)) return gguf_params(Gguf::open(model));
  const Checkpoint checkpoint = Checkpoint::open(model);
  if (is_adapter(model)) check_output(checkpoint, model);
  return Params::from(checkpoint, model.string());
}

}  // namespace

ConfigReader read_model_config(const fs::path& model) {
  if (is_gguf(model)) return gguf_config(Gguf::open(model));
  std::error_code error;
  if (fs::exists(model_file(model, "config.json"), error)) {
    return ConfigReader::open(model / "config.json");
  }
  throw Error(ErrorCode::not_found,
              fmt::format("model {}: needed a folder with config.json and model.safetensors, or a "
                          ".gguf file, found {}",
                          model.string(),
                          fs::is_directory(model, error) ? "no config.json in it"
                          : fs::exists(model, error)     ? "another file"
                                                         : "nothing"));
}

Params open_model_params(const fs::path& model, std::optional<BlockKind> dtype) {
  const Params stored = stored_params(model);
  return dtype ? converted_params(stored, *dtype, read_model_config(model)) : stored;
}

bool is_buffer(std::string_view name) {
  return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias") ||
         name.ends_with("rotary_emb.inv_freq") || name.ends_with("position_ids");
}

}  // namespace heed
