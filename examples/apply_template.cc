// The text that a model is given for a conversation: its chat template, applied.
//
//   apply_template MODEL_FOLDER|FILE.gguf|FILE.jinja MESSAGES.json [TOOLS.json [VARIABLES.json]]
#include <iostream>

#include "heed/base/file.h"
#include "heed/heed.h"

int main(int argc, char** argv) {
  if (argc < 3 || argc > 5) {
    std::cerr << "usage: apply_template MODEL MESSAGES.json [TOOLS.json [VARIABLES.json]]\n";
    return 2;
  }
  try {
    heed::ChatOptions options{.add_generation_prompt = true};
    if (argc > 3) options.tools = heed::read_file(argv[3]);
    if (argc > 4) options.variables = heed::read_file(argv[4]);
    const auto chat = heed::ChatTemplate::load(argv[1]);
    std::cout << chat.render_json(heed::read_file(argv[2]), options);
  } catch (const heed::Error& error) {
    std::cerr << "apply_template: " << error.what() << '\n';
    return 1;
  }
}
