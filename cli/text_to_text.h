#pragma once

#include <optional>
#include <string>

#include "cli/align.h"
#include "cli/generation_options.h"
#include "cli/json_out.h"
#include "cli/text_source.h"
#include "heed/generate/generator.h"

namespace heed::cli {

/// What `translate` and `summarize` share.
struct TextToTextArguments {
  TextInputs inputs;
  GenerationArguments generation;
  LoadArguments load;
  std::optional<std::string> prefix;
  std::string target_prefix;
  AlignArguments align;
};

/// Texts, model, --dtype, --prefix, --target-prefix, --align and all that generation takes.
void add_text_to_text_options(CLI::App& command, Context& context, TextToTextArguments& arguments,
                              int64_t new_tokens);

/// How texts are written: the checkpoint's choices with the arguments over them.
GenerateOptions text_to_text_options(const Context& context, const TextToTextArguments& arguments,
                                     const Translator& translator);

/// The fields that say what was made of a text: "text", "output", "score", "prefix_ids" (where
/// there are any), "ids", "finish" and "timing".
OutJson text_to_text_json(const std::string& text, const Generated& made, double load_ms);

}  // namespace heed::cli
