// heed chat: a conversation with a language model.

#include "heed/generate/chat.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/chat_look.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/generation_options.h"
#include "cli/line_reader.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/written_look.h"
#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/base/message.h"
#include "heed/base/philox.h"
#include "heed/base/stopwatch.h"
#include "heed/io/hub.h"

namespace heed::cli {
namespace {

constexpr int64_t kLongAnswer = 1024;

struct Options {
  std::string system;
  std::string load;
  std::string chat_template;
  std::string when_full = "forget";
  SessionArguments session;
  GenerationArguments generation;
};

constexpr const char* kHelp =
    "/help           this\n"
    "/reset          forget the conversation, but not the system's message\n"
    "/system TEXT    tell the model how to behave; without TEXT, nothing\n"
    "/save FILE      keep the conversation, a JSON object a line\n"
    "/load FILE      go on with a conversation that was kept\n"
    "/look           as it answers, tell which earlier words all heads look at; LAYER or\n"
    "                LAYER.HEAD: those alone; off\n"
    "/look save FILE keep where every head looked in the last answer: .html .json .png ...\n"
    "/quit           end, as Ctrl-D does; Ctrl-C stops an answer\n"
    "A message that begins with / is written with two of them.\n";

ChatTemplate load_template(const std::filesystem::path& model, const std::string& file) {
  if (!file.empty()) return ChatTemplate::load(file);
  if (auto found = ChatTemplate::find(model)) return *found;
  throw Error(ErrorCode::not_found,
              fmt::format("chat: {} has no chat template, so that it was hardly trained to chat; "
                          "give one with --template F.jinja, or write on with heed generate",
                          model.string()));
}

WhenFull when_full(const std::string& name) {
  if (name == "slide") return WhenFull::slide;
  return name == "stop" ? WhenFull::stop : WhenFull::forget;
}

class ChatCommand {
 public:
  ChatCommand(const Context& context, const Options& options)
      : context_(context), watched_(!context.json && is_terminal(stdin) && is_terminal(stdout)) {
    const Stopwatch loading;
    const std::filesystem::path model = find_model(context.model);
    ChatTemplate chat_template = load_template(model, options.chat_template);
    chat_.emplace(TextGenerator::load(model, load_options(options.session.load),
                                      {.max_new_tokens = kLongAnswer}),
                  std::move(chat_template), when_full(options.when_full),
                  stepper_options(options.session, ContextEnd::stop).cache);
    look_ = std::make_unique<ChatLook>(*chat_, context);
    load_ms_ = loading.milliseconds();
    GenerateOptions defaults = chat_->generator().defaults();
    defaults.samples = 1;
    choices_ = generation_options(context, options.generation, defaults,
                                  chat_->generator().tokenizer().get());
    chat_->generator().check(choices_);  // says now what each answer would
    if (!options.load.empty()) chat_->set_messages(load_messages(options.load));
    if (!options.system.empty()) chat_->set_system(options.system);
  }

  void run() {
    if (watched_) tell("/help lists the commands; Ctrl-D ends.\n");
    LineReader reader;
    std::string line;
    for (bool warned = false;;) {
      if (watched_) prompt();
      const LineReader::Ended ended = reader.next(line);
      if (ended == LineReader::Ended::input) break;
      if (ended == LineReader::Ended::interrupt) {
        if (!watched_ || warned) check_cancelled();
        forget_interrupt();
        check_cancelled();  // another signal than Ctrl-C ends the program
        warned = true;
        tell("\nCtrl-C once more ends; so does Ctrl-D.\n");
        continue;
      }
      warned = false;
      if (!take(line)) break;
    }
    if (watched_) print("\n");
  }

 private:
  /// Whether the chat goes on. At a terminal faults are told, elsewhere they end the program.
  bool take(const std::string& line) {
    try {
      if (line.starts_with("//")) {
        answer(line.substr(1));
      } else if (line.starts_with("/")) {
        return obey(line);
      } else if (line.find_first_not_of(" \t") != std::string::npos) {
        answer(line);
      }
    } catch (const Error& error) {
      if (!watched_ || error.code() == ErrorCode::cancelled) throw;
      tell(std::string("heed: ") + printable(error.what()) + "\n");
    }
    return true;
  }

  bool obey(const std::string& line) {
    const size_t space = line.find(' ');
    const std::string name = line.substr(0, space);
    std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
    rest.erase(0, rest.find_first_not_of(' '));
    if (name == "/quit" || name == "/exit") return false;
    if (name == "/help") {
      tell(kHelp);
    } else if (name == "/reset") {
      chat_->reset();
      turns_ = 0;
      note("the conversation is forgotten");
    } else if (name == "/system") {
      chat_->set_system(rest);
    } else if (name == "/save") {
      save_messages(needed_file(name, rest), chat_->messages());
      note(fmt::format("{} saved to {}", counted(std::ssize(chat_->messages()), "message"),
                       printable(rest)));
    } else if (name == "/look") {
      look(rest);
    } else if (name == "/load") {
      chat_->set_messages(load_messages(needed_file(name, rest)));
      note(fmt::format("{} loaded", counted(std::ssize(chat_->messages()), "message")));
    } else {
      throw Error(ErrorCode::invalid_argument,
                  "chat: there is no command " + in_quotes(name) +
                      "; /help lists them, and // begins a message with /");
    }
    return true;
  }

  void look(const std::string& what) {
    if (what != "save" && !what.starts_with("save ")) return note(look_->choose(what));
    const std::string file = what.substr(std::min<size_t>(what.size(), 5));
    const std::vector<int32_t> ids = chat_->window();
    const int64_t written = std::ssize(chat_->last_ids()) - chat_->last_prompt_tokens();
    save_written_look({chat_->generator().model(), chat_->generator().tokenizer(), ids, written},
                      needed_file("/look save", file), context_);
  }

  static const std::string& needed_file(const std::string& name, const std::string& file) {
    if (!file.empty()) return file;
    throw Error(ErrorCode::invalid_argument,
                fmt::format("chat: {} needs the name of a file", name));
  }

  void answer(const std::string& message) {
    GenerateOptions choices = choices_;
    choices.seed = turns_ == 0 ? context_.seed : derived_seed(context_.seed, turns_);
    look_->begin(choices);
    if (look_->is_on()) {
      choices.on_text = [this](int64_t, std::string_view piece) {
        look_->add(piece);
        flush_output();
      };
    } else if (!context_.json) {
      choices.on_text = [](int64_t, std::string_view piece) {
        print(piece);
        flush_output();
      };
    }
    const Generated answer = chat_->answer(message, choices);
    ++turns_;
    if (context_.json) {
      OutJson out{{"prompt", message},
                  {"prompt_ids", answer.prompt_ids},
                  {"ids", answer.ids},
                  {"text", answer.text},
                  {"finish", to_string(answer.finish)},
                  {"reused_tokens", chat_->reused_tokens()},
                  {"forgotten", chat_->forgotten()},
                  {"timing", timing_json(answer, load_ms_)}};
      if (look_->is_on()) out["look"] = look_->take_json();
      print_json(out);
    } else if (!look_->is_on()) {
      print("\n");
    }
    flush_output();
    if (chat_->forgotten() > 0) {
      log(LogLevel::info, fmt::format("chat: left out what did not fit, the oldest {}",
                                      counted(chat_->forgotten(), "message")));
    }
    if (answer.finish == Finish::length) {
      log(LogLevel::info, fmt::format("chat: the answer was cut after {} (--max-new-tokens)",
                                      counted(std::ssize(answer.ids), "token")));
    }
    if (answer.finish != Finish::interrupted) return;
    if (watched_) forget_interrupt();
    check_cancelled();
  }

  void prompt() const {
    const bool color = terminal_colors(stdout, context_.no_color) != Colors::none;
    print(color ? "\033[1;34m>\033[0m " : "> ");
    flush_output();
  }

  static void tell(const std::string& text) { std::fputs(text.c_str(), stderr); }
  void note(const std::string& text) const {
    if (watched_ && !context_.quiet) tell("(" + text + ")\n");
  }

  const Context& context_;
  bool watched_;  // by a person at a terminal
  std::optional<Chat> chat_;
  std::unique_ptr<ChatLook> look_;
  GenerateOptions choices_;
  double load_ms_ = 0;
  uint64_t turns_ = 0;
};

}  // namespace

void add_chat(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "chat",
       .summary = "Talk with a language model.",
       .details =
           "Reads a message a line and prints the answer as it is written; /help lists the "
           "commands. Ctrl-C stops an answer, which is kept as far as it went. Works in a pipe "
           "too. What the model has read of earlier turns is not read again.",
       .example = "heed chat --model HuggingFaceTB/SmolLM2-135M-Instruct"},
      [&context, options] { ChatCommand(context, *options).run(); });
  add_model_option(command, context, "A language model");
  command.add_option("--system", options->system, "Tell the model how to behave.")
      ->type_name("TEXT");
  command
      .add_option("--load", options->load,
                  "Go on with a conversation: a JSON object a line, as /save writes it.")
      ->type_name("F.jsonl");
  command
      .add_option("--template", options->chat_template,
                  "Put messages into the text that F says, not the checkpoint's own template.")
      ->type_name("F.jinja");
  command
      .add_option("--when-full", options->when_full,
                  "Where the model's positions end: forget the oldest turns, stop, or slide, "
                  "leaving out the oldest tokens but the first four.")
      ->check(CLI::IsMember({"forget", "stop", "slide"}));
  add_session_options(command, options->session);
  add_generation_options(command, context, options->generation, kLongAnswer);
}

}  // namespace heed::cli
