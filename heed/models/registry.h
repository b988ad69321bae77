#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/block_kind.h"
#include "heed/models/causal.h"
#include "heed/models/encoder.h"
#include "heed/models/encoder_decoder.h"
#include "heed/nn/params.h"

namespace heed {

class ConfigReader;

// Every architecture by config.json's model_type. load_ takes a checkpoint folder or a GGUF file;
// make_ takes a config.json, or what another file says in its place, and weights from anywhere
// (those of a training run, say). Error unsupported lists what Heed has, or says that it has the
// model as another kind; not_found and corrupt_data as the files say.

enum class ModelKind { encoder, causal, encoder_decoder };

/// "encoder", "causal language model", "encoder-decoder".
std::string_view name_of(ModelKind kind);

/// An architecture that Heed has.
struct KnownModel {
  std::string model_type;  // config.json's
  ModelKind kind;
  std::string class_prefix;  // of transformers' classes: "Bert" of BertForMaskedLM
  std::string equal_to;      // whose outputs it has: a class of transformers, or of PyTorch
  std::string checkpoints;   // that people know it by
};

/// Each of them once, by kind and name; `heed inspect --known` prints them.
std::vector<KnownModel> known_models();
/// The one that a config.json names. Error unsupported lists those there are.
KnownModel known_model(const ConfigReader& config);

struct LoadOptions {
  /// What matrices are converted to while they are loaded: f32, bf16, f16, q8_0, q4_0 or q4_1;
  /// absent: they stay what the files hold.
  std::optional<BlockKind> dtype = {};
  /// Inputs of products with quantised weights are rounded to 8 bits, 32 at a time: faster, and
  /// further from the model (docs/math/quantised.md says how far). Error invalid_argument where no
  /// weight is quantised.
  bool int8_activations = false;
};

/// What a folder's config.json, or a GGUF file, says the model is.
ModelKind model_kind(const std::filesystem::path& model);

/// Causal language models are encoders too.
std::shared_ptr<const Encoder> load_encoder(const std::filesystem::path& model,
                                            const LoadOptions& options = {});
std::shared_ptr<const Encoder> make_encoder(const std::filesystem::path& config_json,
                                            const Params& params);
std::shared_ptr<const Encoder> make_encoder(const ConfigReader& config, const Params& params);

std::shared_ptr<const CausalModel> load_causal_model(const std::filesystem::path& model,
                                                     const LoadOptions& options = {});
std::shared_ptr<const CausalModel> make_causal_model(const std::filesystem::path& config_json,
                                                     const Params& params);
std::shared_ptr<const CausalModel> make_causal_model(const ConfigReader& config,
                                                     const Params& params);

std::shared_ptr<const EncoderDecoder> load_encoder_decoder(const std::filesystem::path& folder,
                                                           const LoadOptions& options = {});
std::shared_ptr<const EncoderDecoder> make_encoder_decoder(const std::filesystem::path& config_json,
                                                           const Params& params);
std::shared_ptr<const EncoderDecoder> make_encoder_decoder(const ConfigReader& config,
                                                           const Params& params);

}  // namespace heed
