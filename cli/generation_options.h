#pragma once

#include <string>

#include "cli/json_out.h"
#include "heed/generate/generator.h"

namespace CLI {
class App;
}

namespace heed::cli {

struct Context;

/// What `generate` and `translate` let choose, by the names of generation_config.json.
struct GenerationArguments {
  GenerateOptions options;
  std::vector<int32_t> end_ids;
  std::string early_stopping = "off";
};

void add_generation_options(CLI::App& command, Context& context, GenerationArguments& arguments);

/// The choices, with the seed that the context has.
GenerateOptions generation_options(const Context& context, const GenerationArguments& arguments);

/// {"load_ms": ..., "prompt_tokens": ..., "prompt_ms": ..., "new_tokens": ..., "generate_ms": ...}
OutJson timing_json(const Generated& generated, double load_ms);

}  // namespace heed::cli
