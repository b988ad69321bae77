#include "heed/generate/generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "heed/base/error.h"
#include "heed/generate/generation_config.h"
#include "heed/generate/languages.h"
#include "heed/generate/narrator.h"
#include "heed/io/json.h"
#include "heed/models/model_files.h"
#include "heed/text/sentence_piece.h"

namespace heed {
namespace {

using Clock = std::chrono::steady_clock;

double ms_between(Clock::time_point start, Clock::time_point end) {
  return std::chrono::duration<double, std::milli>(end - start).count();
}

/// A stepper that notes when its first answer came.
class TimedStepper : public Stepper {
 public:
  explicit TimedStepper(Stepper& stepper) : stepper_(stepper) {}
  Tensor next(const std::vector<std::vector<int32_t>>& rows,
              std::span<const int64_t> parents) override {
    Tensor logits = stepper_.next(rows, parents);
    if (!first_) first_ = Clock::now();
    return logits;
  }
  int64_t max_tokens() const override { return stepper_.max_tokens(); }
  /// Now, if none came.
  Clock::time_point first() const { return first_.value_or(Clock::now()); }

 private:
  Stepper& stepper_;
  std::optional<Clock::time_point> first_;
};

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::invalid_argument, "generate: " + what);
}

/// Several prompts' texts, from their tokens to what is told of them.
class Writing {
 public:
  Writing(Stepper& stepper, const GenerateOptions& options, std::vector<int32_t> end_ids,
          std::shared_ptr<const Tokenizer> tokenizer, Clock::time_point start)
      : stepper_(stepper),
        options_(options),
        end_ids_(options.end_ids.value_or(std::move(end_ids))),
        tokenizer_(std::move(tokenizer)),
        start_(start) {}

  /// What an encoder-decoder writes from, one a prompt, how many texts were written before, and
  /// what of the prompts is text.
  void from(const std::vector<std::vector<int32_t>>& sources, int64_t first_text,
            std::span<const int32_t> prefix) {
    sources_ = &sources;
    first_text_ = first_text;
    prefix_ = prefix;
  }

  std::vector<Generated> write(const std::vector<std::vector<int32_t>>& prompts) {
    prompts_ = &prompts;
    if (options_.beams > 1) {
      search();
      return std::move(done_);
    }
    done_.resize(prompts.size() * static_cast<size_t>(options_.samples));
    for (size_t i = 0; i < done_.size(); ++i) {
      narrators_.push_back(narrator(static_cast<int64_t>(i)));
    }
    decode_batch(
        stepper_, prompts,
        {.max_new_tokens = options_.max_new_tokens,
         .max_length = options_.max_length,
         .end_ids = end_ids_,
         .rules = options_.rules,
         .sources = sources(),
         .sampling = options_.sampling,
         .seed = options_.seed,
         .samples = options_.samples,
         .likeliest = options_.likeliest,
         .on_token = [this](int64_t text,
                            int32_t id) { return narrators_[static_cast<size_t>(text)].add(id); },
         .on_end = [this](int64_t text, const Written& written) { end(text, written); }});
    return std::move(done_);
  }

 private:
  Narrator narrator(int64_t text) const {
    if (!options_.on_text) return narrator_to({});
    return narrator_to(
        [this, text](std::string_view piece) { options_.on_text(first_text_ + text, piece); });
  }
  Narrator narrator_to(std::function<void(std::string_view)> tell) const {
    Narrator narrator(tokenizer_, options_.stop, std::move(tell));
    narrator.begin(prefix_);
    return narrator;
  }

  /// What is told of as the prompt.
  const std::vector<int32_t>& told(size_t prompt) const {
    return (sources_ == nullptr ? *prompts_ : *sources_)[prompt];
  }

  std::vector<std::vector<int32_t>> sources() const {
    return sources_ == nullptr ? std::vector<std::vector<int32_t>>{} : *sources_;
  }

  void search() {
    BeamOptions beam{.beams = options_.beams,
                     .length_penalty = options_.length_penalty,
                     .early_stopping = options_.early_stopping,
                     .max_new_tokens = options_.max_new_tokens,
                     .max_length = options_.max_length,
                     .end_ids = end_ids_,
                     .rules = options_.rules,
                     .sources = sources(),
                     .sampling = options_.sampling,
                     .seed = options_.seed,
                     .likeliest = options_.likeliest};
    if (!options_.stop.empty()) {
      beam.stops = [plain = narrator_to({})](int32_t id) mutable { return !plain.add(id); };
    }
    std::vector<std::vector<Written>> found = beam_search_batch(stepper_, *prompts_, beam);
    for (size_t prompt = 0; prompt < found.size(); ++prompt) {
      std::vector<Written>& best = found[prompt];
      if (std::ssize(best) > options_.samples) best.resize(static_cast<size_t>(options_.samples));
      for (Written& one : best) tell(prompt, one);
    }
  }

  void tell(size_t prompt, const Written& one) {
    const auto text = std::ssize(done_);
    Narrator telling = narrator(text);
    for (const int32_t id : one.ids) telling.add(id);
    done_.push_back(generated(told(prompt), one, telling));
    if (options_.on_end) options_.on_end(first_text_ + text, done_.back());
  }

  void end(int64_t text, const Written& written) {
    const auto at = static_cast<size_t>(text);
    const auto prompt = static_cast<size_t>(text / options_.samples);
    done_[at] = generated(told(prompt), written, narrators_[at]);
    done_[at].score /= std::pow(static_cast<double>(std::max<size_t>(1, written.ids.size())),
                                options_.length_penalty);
    if (options_.on_end) options_.on_end(first_text_ + text, done_[at]);
  }

  Generated generated(const std::vector<int32_t>& prompt, const Written& written,
                      Narrator& narrator) const {
    return {.prompt_ids = prompt,
            .prefix_ids = {prefix_.begin(), prefix_.end()},
            .ids = written.ids,
            .text = narrator.finish(),
            .finish = written.finish,
            .score = written.score,
            .logprobs = written.logprobs,
            .likeliest = written.likeliest,
            .prompt_ms = ms_between(start_, stepper_.first()),
            .generate_ms = ms_between(stepper_.first(), Clock::now())};
  }

  TimedStepper stepper_;
  const GenerateOptions& options_;
  std::vector<int32_t> end_ids_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  Clock::time_point start_;
  const std::vector<std::vector<int32_t>>* prompts_ = nullptr;
  const std::vector<std::vector<int32_t>>* sources_ = nullptr;  // null: there are none but those
  int64_t first_text_ = 0;
  std::span<const int32_t> prefix_;
  std::vector<Narrator> narrators_;
  std::vector<Generated> done_;
};

/// What the checkpoint's files say of how it writes texts of a task.
ConfigReader writing_config(const std::filesystem::path& folder, std::string_view task) {
  const ConfigReader model = read_model_config(folder);
  const std::filesystem::path path = folder / "generation_config.json";
  std::error_code error;
  const bool own = std::filesystem::exists(path, error);
  const ConfigReader file = own ? ConfigReader::open(path) : model;
  Json said = file.json();
  if (own && model.has("prefix") && !file.has("prefix")) said["prefix"] = model.json()["prefix"];
  constexpr const char* kTasks = "task_specific_params";
  if (model.has(kTasks)) {
    const Json& tasks = model.json()[kTasks];
    if (!tasks.is_object()) model.refuse(kTasks, "an object");
    const auto found = tasks.find(task);
    if (found != tasks.end() && !found->is_object()) model.refuse(kTasks, "an object of objects");
    if (found != tasks.end()) said.update(*found);
  }
  return {std::move(said), file.where()};
}

/// What a decoder reads before it writes. A forced first token is forced behind the start alone, so
/// that it stands before a prefix.
std::vector<int32_t> prompt_of(int32_t start, const GenerateOptions& options) {
  std::vector<int32_t> prompt{start};
  const auto& prefix = options.target_prefix;
  const auto& forced = options.rules.forced_bos_token_id;
  if (!prefix.empty() && forced) prompt.push_back(*forced);
  prompt.insert(prompt.end(), prefix.begin(), prefix.end());
  return prompt;
}

}  // namespace

std::vector<int32_t> Generated::target_ids() const {
  std::vector<int32_t> all = prefix_ids;
  all.insert(all.end(), ids.begin(), ids.end());
  return all;
}

const std::shared_ptr<const Tokenizer>& Generator::tokenizer() const {
  if (tokenizer_ == nullptr) {
    throw Error(ErrorCode::unsupported,
                "model: its folder has no tokenizer files, so that it takes ids alone");
  }
  return tokenizer_;
}

void Generator::check(const GenerateOptions& options) const {
  if (options.beams < 1) refuse(fmt::format("beams must be at least 1 but are {}", options.beams));
  if (options.samples < 1) {
    refuse(fmt::format("samples must be at least 1 but are {}", options.samples));
  }
  if (options.beams > 1 && options.samples > options.beams) {
    refuse(fmt::format("{} beams give at most {} samples, but samples are {}", options.beams,
                       options.beams, options.samples));
  }
  if (options.beams == 1 && options.samples > 1 && options.sampling.temperature == 0) {
    refuse(
        fmt::format("temperature 0 writes one text, always, but samples are {}; give a "
                    "temperature above 0, or beams",
                    options.samples));
  }
  if (options.likeliest < 0) refuse("alternatives must be 0 or more");
  for (const std::string& stop : options.stop) {
    if (stop.empty()) refuse("a stop string must have at least one character");
  }
  if (!options.stop.empty() && !has_tokenizer()) {
    throw Error(ErrorCode::unsupported,
                "generate: stop strings need a tokenizer, which the model's folder does not have");
  }
  if (options.end_ids) check_ids("eos-token-id", *options.end_ids, vocab());
  check_rule_ids(options.rules, vocab());
}

Generated Generator::operator()(std::string_view text, const GenerateOptions& options) const {
  return (*this)(encode(text), options);
}

Generated Generator::operator()(std::vector<int32_t> ids, const GenerateOptions& options) const {
  GenerateOptions one = options;
  one.samples = 1;
  std::vector<std::vector<int32_t>> prompts;
  prompts.push_back(std::move(ids));
  return std::move(batch(std::move(prompts), one).front());
}

void Generator::read(const std::filesystem::path& model) {
  special_ = SpecialIds::read(model);
  try {
    tokenizer_ = Tokenizer::load(model);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
  }
}

TextGenerator TextGenerator::load(const std::filesystem::path& model, const LoadOptions& options,
                                  const GenerateOptions& base) {
  TextGenerator generator;
  generator.model_ = load_causal_model(model, options);
  generator.read(model);
  generator.defaults_ = read_generation_config(model, base);
  return generator;
}

std::vector<int32_t> TextGenerator::encode(std::string_view prompt) const {
  std::vector<int32_t> ids = tokenizer()->encode(prompt).ids;
  if (ids.empty() && special_.begin) ids = {*special_.begin};
  return ids;
}

std::unique_ptr<CachedStepper> TextGenerator::stepper(const CachedStepperOptions& options) const {
  return std::make_unique<CachedStepper>(model_, options);
}

std::vector<Generated> TextGenerator::batch(std::vector<std::vector<int32_t>> prompts,
                                            const GenerateOptions& options) const {
  return batch(*stepper(), std::move(prompts), options);
}

std::vector<Generated> TextGenerator::batch(Stepper& stepper,
                                            std::vector<std::vector<int32_t>> prompts,
                                            const GenerateOptions& options) const {
  const Clock::time_point start = Clock::now();
  check(options);
  if (!options.target_prefix.empty()) {
    refuse(
        "a target prefix needs an encoder-decoder, found a causal model; put it into the prompt");
  }
  for (std::vector<int32_t>& prompt : prompts) {
    if (prompt.empty() && special_.begin) prompt = {*special_.begin};
  }
  return Writing(stepper, options, special_.end, tokenizer_, start).write(prompts);
}

Translator Translator::load(const std::filesystem::path& folder, const LoadOptions& options,
                            const GenerateOptions& base, std::string_view task) {
  Translator translator;
  translator.model_ = load_encoder_decoder(folder, options);
  translator.read(folder);
  translator.target_tokenizer_ = target_tokenizer_in(folder);
  const ConfigReader config = writing_config(folder, task);
  translator.defaults_ = read_generation_config(config, base);
  translator.prefix_ = config.text("prefix", "");
  if (!translator.special_.decoder_start) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{}: config.json must name the token that a text begins with "
                            "(decoder_start_token_id or bos_token_id)",
                            folder.string()));
  }
  return translator;
}

Translator Translator::with_languages(std::string_view source, std::string_view target) const {
  const bool leads = language_leads(*tokenizer());
  Translator changed = *this;
  if (!source.empty()) changed.source_language_ = language_id(*tokenizer(), source);
  if (target.empty()) return changed;
  changed.target_language_ = language_id(*tokenizer(), target);
  if (leads) {
    changed.defaults_.rules.forced_bos_token_id = changed.target_language_;
  } else {
    changed.special_.decoder_start = changed.target_language_;
  }
  return changed;
}

std::vector<int32_t> Translator::encode(std::string_view source) const {
  return encoding(source).ids;
}

Encoding Translator::encoding(std::string_view source) const {
  return encoded(*tokenizer(), source, source_language_);
}

std::vector<int32_t> Translator::encode_target(std::string_view target) const {
  return encoded(of_targets(), target, target_language_).ids;
}

std::vector<int32_t> Translator::encode_target_prefix(std::string_view prefix) const {
  return of_targets().encode(prefix, {.add_special = false}).ids;
}

const Tokenizer& Translator::of_targets() const {
  return target_tokenizer_ ? *target_tokenizer_ : *tokenizer();
}

void Translator::check_source(const std::vector<int32_t>& ids, const std::string& name) const {
  const int64_t most = model_->facts().max_tokens;
  if (!ids.empty() && std::ssize(ids) <= most) return;
  throw Error(ErrorCode::invalid_argument,
              ids.empty() ? name + " must have at least one token but has none"
                          : fmt::format("{} has {} tokens, but the model reads at most {}; cut it",
                                        name, ids.size(), most));
}

Encoding Translator::encoded(const Tokenizer& tokenizer, std::string_view text,
                             std::optional<int32_t> language) const {
  Encoding plain = tokenizer.encode(text, {.add_special = false});
  if (!model_->facts().plain_sources) {
    Encoding whole = tokenizer.encode(text);
    if (language) set_language(whole, *language, tokenizer);
    if (whole.ids != plain.ids) return whole;
  }
  const std::vector<int32_t> ended = special_.as_source(plain.ids);
  if (ended.size() > plain.ids.size()) add_special(plain, ended.back(), tokenizer);
  return plain;
}

std::vector<Generated> Translator::batch(std::vector<std::vector<int32_t>> sources,
                                         const GenerateOptions& options) const {
  return batch(sources, options, {});
}

std::vector<Generated> Translator::batch(const std::vector<std::vector<int32_t>>& sources,
                                         const GenerateOptions& options,
                                         const KvCacheOptions& cache) const {
  // beams enough for the products to be fast; more would only take memory
  constexpr int64_t kBeamsTogether = 64;
  const size_t together =
      options.beams > 1 ? static_cast<size_t>(std::max<int64_t>(1, kBeamsTogether / options.beams))
                        : std::max<size_t>(1, sources.size());
  check(options);
  if (sources.empty()) refuse("needed at least one source, found none");
  for (size_t i = 0; i < sources.size(); ++i) {
    check_source(sources[i], fmt::format("generate: source {} of {}", i + 1, sources.size()));
  }
  const std::vector<int32_t> prompt = prompt_of(*special_.decoder_start, options);
  std::vector<Generated> all;
  for (size_t first = 0; first < sources.size(); first += together) {
    const Clock::time_point start = Clock::now();
    const std::vector<std::vector<int32_t>> some(
        sources.begin() + static_cast<std::ptrdiff_t>(first),
        sources.begin() + static_cast<std::ptrdiff_t>(std::min(first + together, sources.size())));
    MemoryStepper stepper(model_, model_->encode(EncoderInput::from_rows(some)), cache);
    Writing writing(stepper, options, special_.end, tokenizer_, start);
    writing.from(some, std::ssize(all), std::span(prompt).subspan(1));
    const std::vector<std::vector<int32_t>> prompts(some.size(), prompt);
    for (Generated& one : writing.write(prompts)) all.push_back(std::move(one));
  }
  return all;
}

}  // namespace heed
