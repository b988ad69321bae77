#include "cli/dtype_option.h"

#include <CLI/CLI.hpp>
#include <array>
#include <vector>

#include "heed/base/error.h"

namespace heed::cli {
namespace {

constexpr std::array kKinds = {BlockKind::f32,  BlockKind::bf16, BlockKind::f16,
                               BlockKind::q8_0, BlockKind::q4_0, BlockKind::q4_1};

}  // namespace

void add_dtype_option(CLI::App& command, std::string& dtype, const std::string& description) {
  std::vector<std::string> names;
  for (const BlockKind kind : kKinds) names.emplace_back(to_string(kind));
  command.add_option("--dtype", dtype, description + " Without it they stay what they are.")
      ->check(CLI::IsMember(names))
      ->default_str("");
}

std::optional<BlockKind> dtype_of(const std::string& name) {
  if (name.empty()) return std::nullopt;
  for (const BlockKind kind : kKinds) {
    if (to_string(kind) == name) return kind;
  }
  HEED_ASSERT(false);
}

void add_load_options(CLI::App& command, LoadArguments& arguments) {
  add_dtype_option(command, arguments.dtype,
                   "What the model's matrices become while it is loaded.");
  command
      .add_option(
          "--activations", arguments.activations,
          "Multiply quantised weights with inputs in f32, or rounded to 8 bits: faster where "
          "the processor has AVX-512 VNNI.")
      ->check(CLI::IsMember({"f32", "int8"}));
}

LoadOptions load_options(const LoadArguments& arguments) {
  return {.dtype = dtype_of(arguments.dtype), .int8_activations = arguments.activations == "int8"};
}

}  // namespace heed::cli
