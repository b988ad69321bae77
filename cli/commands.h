#pragma once

namespace CLI {
class App;
}

namespace heed::cli {

struct Context;

// One function a command, defined in cli/<name>.cc; main.cc lists them in the order of the help.
void add_look(CLI::App& root, Context& context);
void add_explain(CLI::App& root, Context& context);
void add_tokens(CLI::App& root, Context& context);
void add_tokenizer(CLI::App& root, Context& context);
void add_embed(CLI::App& root, Context& context);
void add_forward(CLI::App& root, Context& context);
void add_generate(CLI::App& root, Context& context);
void add_chat(CLI::App& root, Context& context);
void add_score(CLI::App& root, Context& context);
void add_translate(CLI::App& root, Context& context);
void add_summarize(CLI::App& root, Context& context);
void add_attend(CLI::App& root, Context& context);
void add_classify(CLI::App& root, Context& context);
void add_ner(CLI::App& root, Context& context);
void add_fill(CLI::App& root, Context& context);
void add_answer(CLI::App& root, Context& context);
void add_similar(CLI::App& root, Context& context);
void add_search(CLI::App& root, Context& context);
void add_train(CLI::App& root, Context& context);
void add_inspect(CLI::App& root, Context& context);
void add_convert(CLI::App& root, Context& context);
void add_doctor(CLI::App& root, Context& context);
void add_completions(CLI::App& root, Context& context);

}  // namespace heed::cli
