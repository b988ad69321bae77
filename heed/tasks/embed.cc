#include "heed/tasks/embed.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/base/message.h"
#include "heed/base/parallel.h"
#include "heed/io/hub.h"
#include "heed/models/registry.h"
#include "heed/tasks/batches.h"

namespace heed {
namespace {

/// Texts tokenised between two looks at the cancel flag.
constexpr int64_t kTextsAtOnce = 1024;

using Rows = std::vector<std::vector<int32_t>>;

/// The ids of every text, and what was cut.
Rows tokenize(const Tokenizer& tokenizer, std::span<const std::string> texts,
              const std::string& prompt, int64_t max_tokens, std::vector<char>* truncated) {
  Rows rows(texts.size());
  truncated->resize(texts.size());
  const auto count = static_cast<int64_t>(texts.size());
  for (int64_t begin = 0; begin < count; begin += kTextsAtOnce) {
    check_cancelled();
    parallel_for(std::min(kTextsAtOnce, count - begin), [&](int64_t task, int) {
      const auto i = static_cast<size_t>(begin + task);
      Encoding encoding = tokenizer.encode(prompt.empty() ? texts[i] : prompt + texts[i],
                                           {.max_tokens = max_tokens});
      rows[i] = std::move(encoding.ids);
      (*truncated)[i] = encoding.truncated ? 1 : 0;
    });
  }
  return rows;
}

/// do_lower_case asks for what an uncased tokenizer does anyway; with a cased one the texts would
/// have to change, and their offsets with them.
void check_case(const Tokenizer& tokenizer, bool lower_case, const std::filesystem::path& folder) {
  if (!lower_case || tokenizer.encode("A").ids == tokenizer.encode("a").ids) return;
  throw Error(ErrorCode::unsupported,
              fmt::format("{}: sentence_bert_config.json asks for lower case, but the tokenizer "
                          "keeps case",
                          folder.string()));
}

/// Error invalid_argument if the checkpoint has no prompt of that name.
void check_prompt(const std::map<std::string, std::string>& prompts, const std::string& name) {
  if (name.empty() || prompts.contains(name)) return;
  std::vector<std::string> names;
  for (const auto& [known, text] : prompts) names.push_back(known);
  throw Error(ErrorCode::invalid_argument,
              fmt::format("embed: the checkpoint has no prompt {}; it has {}", in_quotes(name),
                          names.empty() ? "none" : listed(names)));
}

/// Each step must take what the one before it gives: [B, width] first.
int64_t check_widths(const EmbedSteps& steps, int64_t width) {
  width *= static_cast<int64_t>(steps.pooling.size());
  for (const EmbedSteps::Dense& dense : steps.dense) {
    if (dense.inputs != width) {
      throw Error(
          ErrorCode::corrupt_data,
          fmt::format("embed: a Dense module needs {} features but the step before it gives "
                      "{}",
                      dense.inputs, width));
    }
    width = dense.outputs;
  }
  return width;
}

}  // namespace

Embedder Embedder::load(std::string_view name_or_path, const EmbedderOptions& options) {
  const std::filesystem::path folder = find_model(name_or_path);
  Embedder embedder;
  std::filesystem::path encoder_folder;
  EmbedSteps& steps = embedder.steps_;
  steps = EmbedSteps::read(folder, &encoder_folder);
  if (options.pooling) steps.pooling = {*options.pooling};
  if (options.normalize) steps.normalize = *options.normalize;
  check_prompt(steps.prompts, options.prompt_name);
  if (!options.prompt_name.empty()) steps.default_prompt = options.prompt_name;
  embedder.encoder_ = load_encoder(encoder_folder);
  embedder.tokenizer_ = Tokenizer::load(encoder_folder);
  check_case(*embedder.tokenizer_, steps.lower_case, encoder_folder);
  if (!steps.from_files && !options.pooling) {
    log(LogLevel::info, fmt::format("{} has no modules.json: vectors are the mean over the tokens, "
                                    "{}normalised",
                                    folder.string(), steps.normalize ? "" : "not "));
  }
  const EncoderFacts& facts = embedder.encoder_->facts();
  embedder.max_tokens_ = std::min(steps.max_tokens.value_or(facts.max_tokens), facts.max_tokens);
  embedder.width_ = check_widths(steps, facts.width);
  return embedder;
}

std::string Embedder::query_prompt() const {
  const auto found = steps_.prompts.find("query");
  return found == steps_.prompts.end() ? "" : found->second;
}

std::string Embedder::document_prompt() const {
  for (const char* name : {"document", "passage", "corpus"}) {
    if (const auto found = steps_.prompts.find(name); found != steps_.prompts.end()) {
      return found->second;
    }
  }
  return "";
}

std::string Embedder::prompt_of(const EmbedOptions& options) const {
  if (options.prompt) return *options.prompt;
  return steps_.default_prompt.empty() ? "" : steps_.prompts.at(steps_.default_prompt);
}

/// The prompt's tokens and those before it, where pooling leaves them out. Error invalid_argument
/// for a prompt that takes all of them.
int64_t Embedder::skipped_tokens(const std::string& prompt) const {
  if (prompt.empty()) return 0;
  const Encoding alone = tokenizer_->encode(prompt);
  const bool ends = !alone.special.empty() && alone.special.back();
  const int64_t tokens = std::ssize(alone.ids) - (ends ? 1 : 0);
  if (tokens + 2 > max_tokens_) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("embed: a prompt of {} tokens leaves no room for a text: the model "
                            "reads {}",
                            tokens, max_tokens_));
  }
  return steps_.include_prompt ? 0 : tokens;
}

Tensor Embedder::embed_rows(const Rows& rows, int64_t skipped) const {
  const EncoderInput input = EncoderInput::from_rows(rows);
  return after_encoder((*encoder_)(input), input.lengths, steps_.normalize, skipped);
}

Tensor Embedder::token_vectors(const std::vector<int32_t>& ids) const {
  const Tensor states = (*encoder_)(EncoderInput::from_rows({ids})).contiguous();  // [1, T, C]
  const int64_t tokens = states.size(1);
  return after_encoder(states.reshape({tokens, 1, states.size(2)}),
                       std::vector<int64_t>(static_cast<size_t>(tokens), 1), false, 0);
}

Tensor Embedder::after_encoder(const Tensor& states, const std::vector<int64_t>& lengths,
                               bool normalize, int64_t skipped) const {
  Tensor x = pool(states, lengths, steps_.pooling, skipped);  // [B, P * C]
  for (const EmbedSteps::Dense& dense : steps_.dense) x = dense.linear(x, dense.activation);
  if (normalize) normalize_rows(x);
  return x;
}

Embeddings Embedder::operator()(std::span<const std::string> texts,
                                const EmbedOptions& options) const {
  std::vector<char> cut;
  const std::string prompt = prompt_of(options);
  const int64_t skipped = skipped_tokens(prompt);
  const Rows rows = tokenize(*tokenizer_, texts, prompt, max_tokens_, &cut);
  const auto count = static_cast<int64_t>(texts.size());
  if (options.notes != nullptr) {
    options.notes->count(count, std::ranges::count(cut, 1), max_tokens_);
  }
  Embeddings result{.vectors = Tensor::empty({count, width_}),
                    .tokens = {},
                    .truncated = std::vector<bool>(cut.begin(), cut.end())};
  for (size_t i = 0; i < rows.size(); ++i) {
    need_tokens(rows[i], texts[i], "embed");
    result.tokens.push_back(std::ssize(rows[i]));
  }
  int64_t done = 0;
  in_batches(result.tokens, options.batch, [&](std::span<const size_t> chosen) {
    Rows batch;
    for (const size_t i : chosen) batch.push_back(rows[i]);
    const Tensor vectors = embed_rows(batch, skipped);
    for (size_t i = 0; i < chosen.size(); ++i) {
      std::copy_n(vectors.data<float>() + static_cast<int64_t>(i) * width_, width_,
                  result.vectors.data<float>() + static_cast<int64_t>(chosen[i]) * width_);
    }
    done += std::ssize(chosen);
    if (options.progress) options.progress(done, count);
  });
  return result;
}

Tensor Embedder::operator()(std::string_view text) const {
  const std::string one(text);
  return (*this)(std::span(&one, 1)).vectors.select(0, 0);
}

}  // namespace heed
