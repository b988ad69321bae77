#pragma once

#include <optional>
#include <string>

#include "heed/base/block_kind.h"
#include "heed/models/registry.h"

namespace CLI {
class App;
}

namespace heed::cli {

/// --dtype f32|bf16|f16|q8_0|q4_0|q4_1, what a model's matrices become; "" for what they are.
void add_dtype_option(CLI::App& command, std::string& dtype, const std::string& description);

/// Of a name that the option takes.
std::optional<BlockKind> dtype_of(const std::string& name);

/// How a model is loaded: --dtype, and --activations f32|int8, what products with quantised weights
/// take.
struct LoadArguments {
  std::string dtype;
  std::string activations = "f32";
};
void add_load_options(CLI::App& command, LoadArguments& arguments);
LoadOptions load_options(const LoadArguments& arguments);

}  // namespace heed::cli
