// heed generate: what a language model writes after a prompt.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/generation_options.h"
#include "cli/id_rows.h"
#include "cli/texts.h"
#include "cli/written_look.h"
#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/stopwatch.h"
#include "heed/io/hub.h"
#include "heed/lens/picture.h"

namespace heed::cli {
namespace {

struct Options {
  TextInputs inputs;
  std::string ids;
  std::optional<int64_t> samples;
  std::optional<int64_t> logprobs;
  std::string context_end = "stop";
  std::string look;  // a file
  SessionArguments session;
  GenerationArguments generation;
};

/// A text, or the ids of one.
struct Prompt {
  std::string text;
  std::vector<int32_t> ids;
  bool is_text = true;
};

std::vector<Prompt> read_prompts(const Options& options) {
  std::vector<Prompt> prompts;
  if (options.ids.empty()) {
    for (std::string& text : read_texts(options.inputs)) prompts.push_back({std::move(text), {}});
    return prompts;
  }
  if (options.inputs.given()) {
    throw Error(ErrorCode::invalid_argument, "give texts or --ids, not both");
  }
  for (auto& row : read_id_rows(options.ids)) prompts.push_back({"", std::move(row), false});
  return prompts;
}

/// Prints texts in their order while they are written side by side: the first that is not whole
/// comes as it is written, those after it wait.
class InOrder {
 public:
  explicit InOrder(size_t texts) : texts_(texts) {}

  void add(size_t text, std::string_view piece) {
    texts_[text].waiting += piece;
    show();
  }
  void end(size_t text) {
    texts_[text].ended = true;
    show();
  }

 private:
  struct Text {
    std::string waiting;
    bool ended = false;
  };

  void show() {
    for (; current_ < texts_.size(); ++current_) {
      print(std::exchange(texts_[current_].waiting, {}));
      if (!texts_[current_].ended) break;
    }
    flush_output();
  }

  std::vector<Text> texts_;
  size_t current_ = 0;
};

OutJson likeliest_json(const Generated& generated, const Tokenizer* tokenizer) {
  OutJson places = OutJson::array();
  for (const std::vector<TokenLogprob>& place : generated.likeliest) {
    OutJson tokens = OutJson::array();
    for (const TokenLogprob& one : place) {
      OutJson token{{"id", one.id}};
      if (tokenizer != nullptr) {  // a padded table has rows that are no pieces
        token["token"] = one.id < tokenizer->vocab_size() ? tokenizer->token_of(one.id) : "";
      }
      token["logprob"] = one.logprob;
      tokens.push_back(std::move(token));
    }
    places.push_back(std::move(tokens));
  }
  return places;
}

class GenerateCommand {
 public:
  GenerateCommand(const Context& context, const Options& options)
      : context_(context), options_(options), prompts_(read_prompts(options)) {
    const Stopwatch loading;
    load(find_model(context.model));
    load_ms_ = loading.milliseconds();
    const bool texts = std::ranges::any_of(prompts_, &Prompt::is_text);
    tokenizer_ = texts || generator_->has_tokenizer() ? generator_->tokenizer().get() : nullptr;
    choices_ = generation_options(context, options.generation, generator_->defaults(), tokenizer_);
    choices_.samples = options.samples.value_or(choices_.samples);
    choices_.likeliest = options.logprobs.value_or(0);
    if (!options.look.empty()) check_look();
  }

  void run() {
    const auto samples = static_cast<size_t>(std::max<int64_t>(1, choices_.samples));
    InOrder out(prompts_.size() * samples);
    // a beam search may find fewer texts than it was asked for, but one at least
    const bool alone = choices_.beams > 1 && samples > 1;
    const auto batch = alone ? size_t{1} : static_cast<size_t>(context_.batch);
    for (size_t first = 0; first < prompts_.size(); first += batch) {
      const size_t end = std::min(prompts_.size(), first + batch);
      std::vector<std::vector<int32_t>> ids;
      for (size_t i = first; i < end; ++i) ids.push_back(ids_of(prompts_[i]));
      const auto text_of = [&](int64_t text) {
        return first * samples + static_cast<size_t>(text);
      };
      if (!context_.json) {
        choices_.on_text = [&](int64_t text, std::string_view piece) {
          out.add(text_of(text), piece);
        };
      }
      choices_.on_end = [&](int64_t text, const Generated& generated) {
        const size_t at = text_of(text);
        if (!options_.look.empty()) written_ = generated;
        out.add(at, context_.json ? to_line(json_of(at / samples, at % samples, generated)) + "\n"
                                  : std::string("\n"));
        out.end(at);
      };
      const size_t texts = write_(std::move(ids)).size();
      for (size_t text = texts; text < (end - first) * samples; ++text) {
        out.end(first * samples + text);
      }
      check_cancelled();
    }
    if (!options_.look.empty()) save_look();
  }

 private:
  using Rows = std::vector<std::vector<int32_t>>;

  void load(const std::filesystem::path& model) {
    const bool slides = options_.context_end == "slide";
    const CachedStepperOptions memory =
        stepper_options(options_.session, slides ? ContextEnd::slide : ContextEnd::stop);
    if (model_kind(model) == ModelKind::encoder_decoder) {
      if (slides) {
        throw Error(ErrorCode::unsupported,
                    "generate: --context-end slide needs a causal language model, and this one is "
                    "an encoder-decoder; leave it out");
      }
      const auto translator = std::make_shared<Translator>(
          Translator::load(model, load_options(options_.session.load), {}));
      generator_ = translator;
      write_ = [this, translator, memory](const Rows& sources) {
        return translator->batch(sources, choices_, memory.cache);
      };
      return;
    }
    const auto generator = std::make_shared<TextGenerator>(
        TextGenerator::load(model, load_options(options_.session.load)));
    generator_ = causal_ = generator;
    const std::shared_ptr<CachedStepper> stepper = generator->stepper(memory);
    write_ = [this, generator, stepper](Rows prompts) {
      return generator->batch(*stepper, std::move(prompts), choices_);
    };
  }

  void check_look() const {
    check_picture_path(options_.look);
    if (causal_ == nullptr) {
      throw Error(ErrorCode::unsupported,
                  "generate: --look needs a causal language model, and this one is an "
                  "encoder-decoder; leave it out");
    }
    causal_->tokenizer();  // says now that there is none
    const auto texts = std::ssize(prompts_) * std::max<int64_t>(1, choices_.samples);
    if (texts == 1) return;
    throw Error(ErrorCode::invalid_argument, "generate: --look saves one text, found " +
                                                 std::to_string(texts) +
                                                 "; give one prompt and one sample");
  }

  void save_look() const {
    std::vector<int32_t> ids = written_.prompt_ids;
    ids.insert(ids.end(), written_.ids.begin(), written_.ids.end());
    ids = sliding_window(ids, causal_->model().facts().max_tokens, CachedStepperOptions().sinks);
    flush_output();
    save_written_look(
        {causal_->model(), causal_->tokenizer(), std::move(ids), std::ssize(written_.ids)},
        options_.look, context_);
  }

  std::vector<int32_t> ids_of(const Prompt& prompt) const {
    return prompt.is_text ? generator_->encode(prompt.text) : prompt.ids;
  }

  OutJson json_of(size_t prompt, size_t sample, const Generated& generated) const {
    const Prompt& of = prompts_[prompt];
    OutJson out{{"prompt", of.is_text ? OutJson(of.text) : OutJson(nullptr)},
                {"prompt_ids", generated.prompt_ids}};
    if (choices_.samples > 1) out["sample"] = sample;
    out["ids"] = generated.ids;
    out["text"] = generated.text;
    out["finish"] = to_string(generated.finish);
    out["score"] = generated.score;
    if (options_.logprobs) out["logprobs"] = generated.logprobs;
    if (choices_.likeliest > 0) out["top_logprobs"] = likeliest_json(generated, tokenizer_);
    out["timing"] = timing_json(generated, load_ms_);
    return out;
  }

  const Context& context_;
  const Options& options_;
  std::vector<Prompt> prompts_;
  std::shared_ptr<const Generator> generator_;
  std::shared_ptr<const TextGenerator> causal_;  // the same; null for an encoder-decoder
  std::function<std::vector<Generated>(Rows prompts)> write_;
  const Tokenizer* tokenizer_ = nullptr;
  GenerateOptions choices_;
  Generated written_;  // with --look
  double load_ms_ = 0;
};

}  // namespace

void add_generate(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "generate",
       .summary = "Write on from a text with a language model.",
       .details = "Prints what follows each prompt as it is written (what an encoder-decoder makes "
                  "of it, where the model is one); Ctrl-C ends it there. Options "
                  "that are not given are as the checkpoint's generation_config.json says. The "
                  "same seed writes the same text, whatever the number of threads and the other "
                  "prompts. Prompt and new tokens together have the model's positions to stand at; "
                  "a text ends there.",
       .example = "heed generate \"To be, or not\" --model out/shakespeare --temperature 0.8 "
                  "--top-k 40 --seed 1"},
      [&context, options] { GenerateCommand(context, *options).run(); });
  add_text_inputs(command, options->inputs);
  add_model_option(command, context, "A language model or encoder-decoder");
  command
      .add_option("--ids", options->ids,
                  "Read token ids from F, a JSON list of lists, instead of texts.")
      ->type_name("F.json");
  command
      .add_option("--samples", options->samples,
                  "Write N texts for each prompt (with beams: the N best).")
      ->type_name("N")
      ->default_str("")
      ->check(whole_number(1, uint64_t{1} << 20));
  command
      .add_option("--logprobs", options->logprobs,
                  "With --json: the log-probability of each token, and the N likeliest ones at its "
                  "place.")
      ->type_name("N")
      ->default_str("")
      ->check(whole_number(0, uint64_t{1} << 20))
      ->needs(command.get_option("--json"));
  command
      .add_option("--context-end", options->context_end,
                  "Where the model's positions end: stop, or slide, leaving out the oldest tokens "
                  "but the first four.")
      ->check(CLI::IsMember({"stop", "slide"}));
  command
      .add_option("--look", options->look,
                  "Save where every head looked as the text was written: a .json with each new "
                  "token's largest weights, an .html page of every layer and head, or a picture "
                  "(.png, .svg, .pdf, .npz and so on).")
      ->type_name("FILE");
  add_session_options(command, options->session);
  add_batch_option(command, context);
  add_generation_options(command, context, options->generation);
}

}  // namespace heed::cli
