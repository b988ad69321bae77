#include "cli/generation_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/dtype_option.h"
#include "heed/base/error.h"
#include "heed/base/message.h"

namespace heed::cli {
namespace {

/// Adds options whose default is not told, as it is the checkpoint's.
class Adder {
 public:
  Adder(CLI::App& command, const char* group) : command_(command), group_(group) {}

  template <class T>
  CLI::Option* operator()(const char* name, T& value, const char* type, const char* text) {
    return command_.add_option(name, value, text)->type_name(type)->default_str("")->group(group_);
  }
  template <class T>
  CLI::Option* list(const char* name, std::vector<T>& value, const char* type, const char* text) {
    return add_list_option(command_, name, value, text)->type_name(type)->group(group_);
  }
  CLI::Option* ids(const char* name, std::vector<int32_t>& value, const char* text) {
    return list(name, value, "IDS", text);
  }
  CLI::Option* texts(const char* name, std::vector<std::string>& value, const char* type,
                     const char* text) {
    return add_repeated_option(command_, name, value, text)->type_name(type)->group(group_);
  }

 private:
  CLI::App& command_;
  const char* group_;
};

void add_length(CLI::App& command, GenerationArguments& arguments, int64_t new_tokens) {
  Adder add(command, "How long a text gets");
  const std::string most = fmt::format(
      "Write at most N tokens, and no more than the model has positions for (default: what the "
      "checkpoint says, or {}).",
      new_tokens);
  add("--max-new-tokens", arguments.max_new_tokens, "N", most.c_str());
  add("--min-new-tokens", arguments.min_new_tokens, "N", "Do not end before N tokens.");
  add("--min-length", arguments.min_length, "N",
      "Do not end before prompt and text have N tokens together.");
  add.texts("--stop", arguments.stop, "TEXT",
            "End a text before TEXT, which is not printed; may be given several times.");
  add.ids("--eos-token-id", arguments.eos_token_id,
          "End a text with one of these tokens instead of what the checkpoint says.");
  add.ids("--forced-eos-token-id", arguments.forced_eos_token_id,
          "Take one of these as the last token there is room for.");
  add.list("--exponential-decay-length-penalty", arguments.exponential_decay_length_penalty, "N,X",
           "After N new tokens make the end likelier, by |logit| (X^n - 1) after n more.");
}

void add_choice(CLI::App& command, GenerationArguments& arguments) {
  Adder add(command, "Which token comes next");
  add("--temperature", arguments.temperature, "X",
      "Draw tokens from softmax(logits / X); 0 takes the likeliest one, always. Without it, the "
      "next five mean a temperature of 1.");
  add("--top-k", arguments.top_k, "N", "Draw from the N likeliest tokens alone; 0 is all.");
  add("--top-p", arguments.top_p, "X",
      "Draw from the likeliest tokens whose probabilities reach X together.");
  add("--min-p", arguments.min_p, "X",
      "Draw from tokens with at least X of the likeliest one's probability.");
  add("--typical-p", arguments.typical_p, "X",
      "Draw from the tokens whose -ln p is nearest to the entropy, until they reach X.");
  add("--epsilon-cutoff", arguments.epsilon_cutoff, "X",
      "Draw from tokens with a probability of at least X.");
  add("--eta-cutoff", arguments.eta_cutoff, "X",
      "The same, with a bound that falls where the entropy is high.");
}

void add_rules(CLI::App& command, GenerationArguments& arguments) {
  Adder add(command, "What comes less, or not at all");
  add("--repetition-penalty", arguments.repetition_penalty, "X",
      "Divide the logits of tokens that came before by X (those below 0: multiply).");
  add("--presence-penalty", arguments.presence_penalty, "X",
      "Take X from the logits of tokens that were written before.");
  add("--frequency-penalty", arguments.frequency_penalty, "X",
      "Take X from a token's logit for each time it was written.");
  add("--no-repeat-ngram-size", arguments.no_repeat_ngram_size, "N",
      "Never write the same N tokens in a row twice.");
  add("--encoder-repetition-penalty", arguments.encoder_repetition_penalty, "X",
      "Multiply the logits of the source's tokens by X (those below 0: divide), so that above 1 "
      "they come more.");
  add("--encoder-no-repeat-ngram-size", arguments.encoder_no_repeat_ngram_size, "N",
      "Never write N tokens that stand in a row in the source.");
  add.texts("--bad-words", arguments.bad_words, "TEXT",
            "Never write TEXT, nor with a space before it; may be given several times.");
  add.texts("--logit-bias", arguments.logit_bias, "ID=X",
            "Add X to a token's logit (-inf forbids it); may be given several times.");
  add.ids("--suppress-tokens", arguments.suppress_tokens, "Never write these tokens.");
  add.ids("--begin-suppress-tokens", arguments.begin_suppress_tokens,
          "Do not begin with these tokens.");
  add("--forced-bos-token-id", arguments.forced_bos_token_id, "ID",
      "Write this token first, after a prompt of a single one.");
}

void add_beams(CLI::App& command, GenerationArguments& arguments) {
  Adder add(command, "Several texts at once");
  add("--beams", arguments.beams, "N",
      "Follow N texts at once and give the best: the likeliest, or with a temperature such as are "
      "drawn.")
      ->check(whole_number(1, 1024));
  add("--length-penalty", arguments.length_penalty, "X",
      "A text's score is divided by its length to the power of X: above 0 favours long texts.");
  add("--early-stopping", arguments.early_stopping, "on|off|never",
      "End a beam search as soon as N texts have ended (on), when no growing text would be better "
      "now (off) or could ever be (never).")
      ->check(CLI::IsMember({"on", "off", "never"}));
  command
      .add_flag("--renormalize-logits", arguments.renormalize_logits,
                "Let a beam's log-probabilities, as rules have changed them, be ones again.")
      ->group("Several texts at once");
}

SequenceBias parse_bias(const std::string& text) {
  const size_t sign = text.find('=');
  const char* begin = text.data();
  const char* end = begin + text.size();
  int32_t id = 0;
  float bias = 0;
  const char* middle = begin + std::min(sign, text.size());
  const auto read_id = std::from_chars(begin, middle, id);
  const bool has_bias = sign != std::string::npos;
  const auto read_bias = std::from_chars(has_bias ? middle + 1 : end, end, bias);
  if (!has_bias || read_id.ec != std::errc() || read_id.ptr != middle || id < 0 ||
      read_bias.ec != std::errc() || read_bias.ptr != end) {
    throw Error(ErrorCode::invalid_argument,
                "--logit-bias: needed ID=NUMBER, found " + in_quotes(text));
  }
  return {{id}, bias};
}

LengthDecay length_decay(const std::vector<double>& numbers) {
  constexpr double kMost = std::numeric_limits<int32_t>::max();
  if (numbers.size() != 2 || !(numbers[0] >= 0 && numbers[0] <= kMost) ||
      numbers[0] != std::floor(numbers[0])) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("--exponential-decay-length-penalty: needed a number of tokens and a "
                            "factor, N,X, found {}",
                            fmt::join(numbers, ",")));
  }
  return {static_cast<int64_t>(numbers[0]), numbers[1]};
}

/// As a text's beginning has it and as it stands after a space.
std::vector<std::vector<int32_t>> cut_words(const std::vector<std::string>& words,
                                            const Tokenizer* tokenizer) {
  std::vector<std::vector<int32_t>> all;
  for (const std::string& word : words) {
    if (tokenizer == nullptr) {
      throw Error(ErrorCode::unsupported,
                  "--bad-words: needed a tokenizer, found none in the model's folder");
    }
    if (word.empty()) {
      throw Error(ErrorCode::invalid_argument, "--bad-words: needed a word, found ''");
    }
    for (const std::string& form : {word, " " + word}) {
      std::vector<int32_t> ids = tokenizer->encode(form, {.add_special = false}).ids;
      if (!ids.empty()) all.push_back(std::move(ids));
    }
  }
  return all;
}

template <class To, class From>
void set(To& to, const std::optional<From>& from) {
  if (from) to = *from;
}
template <class To, class From>
void set(To& to, const std::vector<From>& from) {
  if (!from.empty()) to = from;
}

/// Sampling as the checkpoint has it, as far as the arguments do not choose another way.
SamplingOptions sampling_options(const GenerationArguments& arguments,
                                 const SamplingOptions& defaults) {
  const bool names_choice = arguments.top_k || arguments.top_p || arguments.min_p ||
                            arguments.typical_p || arguments.epsilon_cutoff || arguments.eta_cutoff;
  SamplingOptions options = defaults;
  if (arguments.temperature == 0.0) options = {};
  if (options.temperature == 0 && names_choice) options.temperature = 1;
  set(options.temperature, arguments.temperature);
  set(options.top_k, arguments.top_k);
  set(options.top_p, arguments.top_p);
  set(options.min_p, arguments.min_p);
  set(options.typical_p, arguments.typical_p);
  set(options.epsilon_cutoff, arguments.epsilon_cutoff);
  set(options.eta_cutoff, arguments.eta_cutoff);
  return options;
}

void set_rules(const GenerationArguments& arguments, const Tokenizer* tokenizer,
               ScoreRules& rules) {
  set(rules.min_new_tokens, arguments.min_new_tokens);
  set(rules.min_length, arguments.min_length);
  set(rules.encoder_repetition_penalty, arguments.encoder_repetition_penalty);
  set(rules.encoder_no_repeat_ngram_size, arguments.encoder_no_repeat_ngram_size);
  set(rules.repetition_penalty, arguments.repetition_penalty);
  set(rules.presence_penalty, arguments.presence_penalty);
  set(rules.frequency_penalty, arguments.frequency_penalty);
  set(rules.no_repeat_ngram_size, arguments.no_repeat_ngram_size);
  set(rules.suppress_tokens, arguments.suppress_tokens);
  set(rules.begin_suppress_tokens, arguments.begin_suppress_tokens);
  set(rules.forced_bos_token_id, arguments.forced_bos_token_id);
  set(rules.forced_eos_token_id, arguments.forced_eos_token_id);
  if (const auto& decay = arguments.exponential_decay_length_penalty; !decay.empty()) {
    rules.exponential_decay_length_penalty = length_decay(decay);
  }
  if (arguments.renormalize_logits) rules.renormalize_logits = true;
  for (const std::string& text : arguments.logit_bias) {
    rules.sequence_bias.push_back(parse_bias(text));
  }
  for (auto& word : cut_words(arguments.bad_words, tokenizer)) {
    rules.bad_words_ids.push_back(std::move(word));
  }
}

/// What says something of beams alone would change nothing without them.
void need_beams(const GenerationArguments& arguments, int64_t beams) {
  if (beams > 1) return;
  for (const auto& [name, given] :
       {std::pair("--length-penalty", arguments.length_penalty.has_value()),
        std::pair("--early-stopping", !arguments.early_stopping.empty()),
        std::pair("--renormalize-logits", arguments.renormalize_logits)}) {
    if (!given) continue;
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: needed more than one beam (--beams N), found {}", name, beams));
  }
}

}  // namespace

void add_session_options(CLI::App& command, SessionArguments& arguments) {
  add_load_options(command, arguments.load);
  command
      .add_option("--cache-dtype", arguments.cache_dtype,
                  "Keep keys and values of what was read in f32, or in half the memory.")
      ->check(CLI::IsMember({"f32", "bf16", "f16"}));
}

CachedStepperOptions stepper_options(const SessionArguments& arguments, ContextEnd at_end) {
  CachedStepperOptions options{.at_end = at_end};
  if (arguments.cache_dtype == "bf16") options.cache.dtype = DType::bf16;
  if (arguments.cache_dtype == "f16") options.cache.dtype = DType::f16;
  return options;
}

void add_generation_options(CLI::App& command, Context& context, GenerationArguments& arguments,
                            int64_t new_tokens) {
  add_length(command, arguments, new_tokens);
  add_choice(command, arguments);
  add_rules(command, arguments);
  add_beams(command, arguments);
  add_seed_option(command, context);
}

GenerateOptions generation_options(const Context& context, const GenerationArguments& arguments,
                                   const GenerateOptions& defaults, const Tokenizer* tokenizer) {
  GenerateOptions options = defaults;
  options.seed = context.seed;
  if (arguments.max_new_tokens) {
    options.max_new_tokens = *arguments.max_new_tokens;
    options.max_length = 0;
  }
  options.sampling = sampling_options(arguments, defaults.sampling);
  set_rules(arguments, tokenizer, options.rules);
  // what a checkpoint says of the beams of its likeliest texts says nothing of drawn ones
  const bool draws = options.sampling.temperature > 0;
  if (draws && defaults.sampling.temperature == 0) options.beams = 1;
  set(options.beams, arguments.beams);
  need_beams(arguments, options.beams);
  set(options.length_penalty, arguments.length_penalty);
  set(options.stop, arguments.stop);
  set(options.end_ids, arguments.eos_token_id);
  if (arguments.early_stopping == "on") options.early_stopping = EarlyStopping::on;
  if (arguments.early_stopping == "off") options.early_stopping = EarlyStopping::off;
  if (arguments.early_stopping == "never") options.early_stopping = EarlyStopping::never;
  return options;
}

OutJson timing_json(const Generated& generated, double load_ms) {
  return {{"load_ms", load_ms},
          {"prompt_tokens", generated.prompt_ids.size()},
          {"prompt_ms", generated.prompt_ms},
          {"new_tokens", generated.ids.size()},
          {"generate_ms", generated.generate_ms}};
}

}  // namespace heed::cli
