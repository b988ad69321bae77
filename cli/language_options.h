#pragma once

#include <string>

#include "heed/generate/generator.h"

namespace CLI {
class App;
}

namespace heed::cli {

/// The languages of a model's texts, by the names that its tokenizer has; "" is what it says
/// itself.
struct LanguageArguments {
  std::string source, target;
};

/// Adds --src-lang and --tgt-lang.
void add_language_options(CLI::App& command, LanguageArguments& arguments);

/// The model with the languages that were given, if any were. Errors as with_languages().
Translator in_languages(const Translator& translator, const LanguageArguments& arguments);

}  // namespace heed::cli
