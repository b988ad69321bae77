#include "cli/language_options.h"

#include <CLI/CLI.hpp>

namespace heed::cli {

void add_language_options(CLI::App& command, LanguageArguments& arguments) {
  command
      .add_option("--src-lang", arguments.source,
                  "The source's language, of models whose tokenizer marks it (mBART: en_XX); "
                  "without it what their files say.")
      ->type_name("NAME");
  command.add_option("--tgt-lang", arguments.target, "The same of the target's.")
      ->type_name("NAME");
}

Translator in_languages(const Translator& translator, const LanguageArguments& arguments) {
  if (arguments.source.empty() && arguments.target.empty()) return translator;
  return translator.with_languages(arguments.source, arguments.target);
}

}  // namespace heed::cli
