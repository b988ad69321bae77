#include "heed/generate/generator.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "heed/base/error.h"
#include "heed/models/registry.h"
#include "heed/text/text_stream.h"

namespace heed {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
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
  Clock::time_point first() const { return *first_; }

 private:
  Stepper& stepper_;
  std::optional<Clock::time_point> first_;
};

/// The new tokens as text while they come.
class Narrator {
 public:
  Narrator(std::shared_ptr<const Tokenizer> tokenizer, const GenerateOptions& options)
      : options_(options) {
    if (tokenizer != nullptr) stream_.emplace(std::move(tokenizer));
  }

  void add(int32_t id) {
    if (stream_) tell(stream_->add(id));
  }
  std::string finish() {
    if (stream_) tell(stream_->finish());
    return std::move(text_);
  }

 private:
  void tell(const std::string& piece) {
    if (!piece.empty() && options_.on_text) options_.on_text(piece);
    text_ += piece;
  }

  const GenerateOptions& options_;
  std::optional<TextStream> stream_;
  std::string text_;
};

Written write(Stepper& stepper, const std::vector<int32_t>& prompt, const GenerateOptions& options,
              const std::vector<int32_t>& end_ids, Narrator& narrator) {
  if (options.beams <= 1) {
    Written written = decode(stepper, prompt,
                             {.max_new_tokens = options.max_new_tokens,
                              .end_ids = end_ids,
                              .sampling = options.sampling,
                              .seed = options.seed,
                              .on_token = [&](int32_t id) { narrator.add(id); }});
    written.score /= std::pow(static_cast<double>(written.ids.size()), options.length_penalty);
    return written;
  }
  if (options.sampling.temperature != 0) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("generate: beams take the likeliest texts and no temperature, but "
                            "beams are {} and temperature is {}",
                            options.beams, options.sampling.temperature));
  }
  Written best = beam_search(stepper, prompt,
                             {.beams = options.beams,
                              .length_penalty = options.length_penalty,
                              .early_stopping = options.early_stopping,
                              .max_new_tokens = options.max_new_tokens,
                              .end_ids = end_ids})
                     .front();
  for (const int32_t id : best.ids) narrator.add(id);
  return best;
}

/// `start`: when reading the prompt began.
Generated generate(Stepper& plain, const std::vector<int32_t>& prompt,
                   const GenerateOptions& options, const SpecialIds& special,
                   const std::shared_ptr<const Tokenizer>& tokenizer, Clock::time_point start) {
  TimedStepper stepper(plain);
  Narrator narrator(tokenizer, options);
  Written written =
      write(stepper, prompt, options, options.end_ids.value_or(special.end), narrator);
  Generated generated{.ids = std::move(written.ids),
                      .text = narrator.finish(),
                      .finish = written.finish,
                      .score = written.score};
  generated.generate_ms = ms_since(stepper.first());
  generated.prompt_ms = ms_since(start) - generated.generate_ms;
  return generated;
}

}  // namespace

TextGenerator TextGenerator::load(const std::filesystem::path& folder) {
  TextGenerator generator;
  generator.model_ = load_causal_model(folder);
  generator.special_ = SpecialIds::read(folder);
  try {
    generator.tokenizer_ = Tokenizer::load(folder);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
  }
  return generator;
}

Generated TextGenerator::operator()(std::string_view prompt, const GenerateOptions& options) const {
  if (tokenizer_ == nullptr) {
    throw Error(ErrorCode::unsupported,
                "generate: the model's folder has no tokenizer files, so that it takes ids alone");
  }
  return (*this)(tokenizer_->encode(prompt).ids, options);
}

Generated TextGenerator::operator()(std::vector<int32_t> prompt_ids,
                                    const GenerateOptions& options) const {
  const Clock::time_point start = Clock::now();
  if (prompt_ids.empty() && special_.begin) prompt_ids = {*special_.begin};
  CachedStepper stepper(model_);
  Generated generated = generate(stepper, prompt_ids, options, special_, tokenizer_, start);
  generated.prompt_ids = std::move(prompt_ids);
  return generated;
}

Translator Translator::load(const std::filesystem::path& folder) {
  Translator translator;
  translator.model_ = load_encoder_decoder(folder);
  translator.special_ = SpecialIds::read(folder);
  translator.tokenizer_ = Tokenizer::load(folder);
  if (!translator.special_.decoder_start) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{}: config.json must name the token that a translation begins with "
                            "(decoder_start_token_id or bos_token_id)",
                            folder.string()));
  }
  return translator;
}

Generated Translator::operator()(std::string_view text, const GenerateOptions& options) const {
  const Clock::time_point start = Clock::now();
  std::vector<int32_t> source =
      special_.as_source(tokenizer_->encode(text, {.add_special = false}).ids);
  MemoryStepper stepper(model_, model_->encode(EncoderInput::from_rows({source})));
  Generated generated =
      generate(stepper, {*special_.decoder_start}, options, special_, tokenizer_, start);
  generated.prompt_ids = std::move(source);
  return generated;
}

}  // namespace heed
