#include "heed/generate/generation_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <limits>

#include "heed/base/log.h"
#include "heed/io/json.h"
#include "heed/models/config.h"

namespace heed {
namespace {

constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
constexpr double kLargest = std::numeric_limits<float>::max();

/// null, false and an empty list never do.
bool says_nothing(const Json& value, const Json& nothing) {
  return value.is_null() || value == nothing || (value.is_boolean() && value == false) ||
         (value.is_array() && value.empty());
}

/// Of fields that change what transformers writes and that Heed does not have.
void tell_of_unknown(const ConfigReader& file) {
  // with the value that changes nothing
  static const std::pair<const char*, Json> kUnknown[] = {
      {"guidance_scale", 1.0},  {"penalty_alpha", 0.0},     {"top_h", nullptr},
      {"num_beam_groups", 1},   {"diversity_penalty", 0.0}, {"force_words_ids", nullptr},
      {"constraints", nullptr}, {"token_healing", false},   {"watermarking_config", nullptr},
      {"dola_layers", nullptr}, {"max_time", nullptr},
  };
  std::vector<std::string> names;
  for (const auto& [name, nothing] : kUnknown) {
    if (file.has(name) && !says_nothing(file.json()[name], nothing)) names.emplace_back(name);
  }
  if (names.empty()) return;
  log(LogLevel::warning,
      fmt::format("{}: {} {} nothing that Heed does, and {} left out", file.where(),
                  fmt::join(names, ", "), names.size() == 1 ? "is" : "are",
                  names.size() == 1 ? "is" : "are"));
}

std::vector<int32_t> row_of_ids(const ConfigReader& file, const char* field, const Json& value,
                                std::string_view needed) {
  std::vector<int32_t> ids;
  if (!value.is_array() || value.empty()) file.refuse(field, needed);
  for (const Json& id : value) {
    if (!id.is_number_integer() || id < 0 || id > kMost) file.refuse(field, needed);
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

std::vector<std::vector<int32_t>> rows_of_ids(const ConfigReader& file, const char* field) {
  constexpr std::string_view kNeeded = "a list of lists of ids";
  std::vector<std::vector<int32_t>> rows;
  if (!file.has(field)) return rows;
  if (!file.json()[field].is_array()) file.refuse(field, kNeeded);
  for (const Json& row : file.json()[field]) {
    rows.push_back(row_of_ids(file, field, row, kNeeded));
  }
  return rows;
}

std::vector<SequenceBias> biases(const ConfigReader& file) {
  constexpr const char* kField = "sequence_bias";
  constexpr std::string_view kNeeded = "a list of [[ids], bias]";
  std::vector<SequenceBias> all;
  if (!file.has(kField)) return all;
  if (!file.json()[kField].is_array()) file.refuse(kField, kNeeded);
  for (const Json& one : file.json()[kField]) {
    if (!one.is_array() || one.size() != 2 || !one[1].is_number() ||
        !std::isfinite(one[1].get<float>())) {
      file.refuse(kField, kNeeded);
    }
    all.push_back({row_of_ids(file, kField, one[0], kNeeded), one[1].get<float>()});
  }
  return all;
}

std::vector<std::string> strings(const ConfigReader& file, const char* field) {
  constexpr std::string_view kNeeded = "a text or a list of them";
  if (!file.has(field)) return {};
  const Json& value = file.json()[field];
  std::vector<std::string> all;
  for (const Json& one : value.is_array() ? value : Json::array({value})) {
    if (!one.is_string() || one.get_ref<const std::string&>().empty()) file.refuse(field, kNeeded);
    all.push_back(one.get<std::string>());
  }
  return all;
}

EarlyStopping early_stopping(const ConfigReader& file, EarlyStopping fallback) {
  constexpr const char* kField = "early_stopping";
  if (!file.has(kField)) return fallback;
  const Json& value = file.json()[kField];
  if (value == "never") return EarlyStopping::never;
  if (!value.is_boolean()) file.refuse(kField, "true, false or \"never\"");
  return value.get<bool>() ? EarlyStopping::on : EarlyStopping::off;
}

std::optional<LengthDecay> length_decay(const ConfigReader& file) {
  constexpr const char* kField = "exponential_decay_length_penalty";
  if (!file.has(kField)) return std::nullopt;
  const Json& value = file.json()[kField];
  if (!value.is_array() || value.size() != 2 || !value[0].is_number_integer() || value[0] < 0 ||
      value[0] > kMost || !value[1].is_number() || !(value[1] > 0) ||
      !std::isfinite(value[1].get<double>())) {
    file.refuse(kField, "[a number of tokens, a factor above 0]");
  }
  return LengthDecay{value[0].get<int64_t>(), value[1].get<double>()};
}

ScoreRules rules(const ConfigReader& file) {
  return {
      .sequence_bias = biases(file),
      .encoder_repetition_penalty = file.number("encoder_repetition_penalty", 1e-6, kLargest, 1.0),
      .repetition_penalty = file.number("repetition_penalty", 1e-6, kLargest, 1.0),
      .no_repeat_ngram_size = file.integer("no_repeat_ngram_size", 0, kMost, 0),
      .encoder_no_repeat_ngram_size = file.integer("encoder_no_repeat_ngram_size", 0, kMost, 0),
      .bad_words_ids = rows_of_ids(file, "bad_words_ids"),
      .min_length = file.integer("min_length", 0, kMost, 0),
      .min_new_tokens = file.integer("min_new_tokens", 0, kMost, 0),
      .forced_bos_token_id = file.id("forced_bos_token_id"),
      .forced_eos_token_id = file.ids("forced_eos_token_id"),
      .exponential_decay_length_penalty = length_decay(file),
      .suppress_tokens = file.ids("suppress_tokens"),
      .begin_suppress_tokens = file.ids("begin_suppress_tokens"),
      .renormalize_logits = file.boolean("renormalize_logits", false)};
}

SamplingOptions sampling(const ConfigReader& file) {
  constexpr int64_t kTopK = 50;  // transformers' own
  constexpr double kBelowOne = 1 - 1e-9;
  return {.temperature = file.number("temperature", 1e-6, kLargest, 1.0),
          .top_k = file.integer("top_k", 0, kMost, kTopK),
          .top_p = file.number("top_p", 1e-9, 1, 1.0),
          .min_p = file.number("min_p", 0, 1, 0.0),
          .typical_p = file.number("typical_p", 1e-9, 1, 1.0),
          .epsilon_cutoff = file.number("epsilon_cutoff", 0, kBelowOne, 0.0),
          .eta_cutoff = file.number("eta_cutoff", 0, kBelowOne, 0.0)};
}

}  // namespace

GenerateOptions read_generation_config(const std::filesystem::path& folder, GenerateOptions base) {
  const std::filesystem::path path = folder / "generation_config.json";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return base;
  return read_generation_config(ConfigReader::open(path), std::move(base));
}

GenerateOptions read_generation_config(const ConfigReader& file, GenerateOptions base) {
  tell_of_unknown(file);
  const bool draws = file.boolean("do_sample", false);
  if (draws) base.sampling = sampling(file);
  base.beams = file.integer("num_beams", 1, 1024, draws ? 1 : base.beams);
  base.samples = file.integer("num_return_sequences", 1, kMost, base.samples);
  base.length_penalty = file.number("length_penalty", -kLargest, kLargest, base.length_penalty);
  base.early_stopping = early_stopping(file, base.early_stopping);
  if (file.has("max_new_tokens")) {
    base.max_new_tokens = file.integer("max_new_tokens", 1, kMost);
  } else if (file.has("max_length")) {
    base.max_new_tokens = kMost;
    base.max_length = file.integer("max_length", 1, kMost);
  }
  base.rules = rules(file);
  base.stop = strings(file, "stop_strings");
  return base;
}

}  // namespace heed
