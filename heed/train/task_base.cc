#include "heed/train/task_base.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "heed/base/cancel.h"
#include "heed/base/crc32c.h"
#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/log.h"
#include "heed/base/message.h"
#include "heed/base/parallel.h"
#include "heed/base/paths.h"
#include "heed/io/adapter.h"
#include "heed/io/hub.h"
#include "heed/text/gguf_tokenizer.h"
#include "heed/text/pipeline.h"
#include "heed/text/tokenizer_files.h"
#include "heed/train/checkpoint.h"
#include "heed/train/data_pairs.h"
#include "heed/train/data_text.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kTextsAtOnce = 1024;  // between two looks at the cancel flag

/// What transformers asks for beside a tokenizer.json, or it takes the model's usual class, and
/// cuts nothing where it is asked to.
Json config_for(const Tokenizer& tokenizer, const TrainConfig& settings) {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}};
  if (settings.model.empty()) config["model_max_length"] = settings.block;  // its positions
  constexpr std::array<std::pair<const char*, const char*>, 9> kRoles = {
      {{"pad_token", "[PAD]"},
       {"pad_token", "<pad>"},
       {"unk_token", "[UNK]"},
       {"cls_token", "[CLS]"},
       {"sep_token", "[SEP]"},
       {"mask_token", "[MASK]"},
       {"bos_token", "<s>"},
       {"eos_token", "</s>"},
       {"eos_token", "<|endoftext|>"}}};
  for (const auto& [role, token] : kRoles) {
    if (tokenizer.id_of(token)) config[role] = token;
  }
  return config;
}

/// What Tokenizer::load() reads beside a vocabulary; a tokenizer.json stands alone.
constexpr std::array<const char*, 5> kBesideVocabularies = {
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt"};

/// The name under which a folder's tokenizer is found: a file that `tokenizer` names may have any.
std::string name_in_folder(const fs::path& file) {
  const std::string name = file.filename().string();
  const bool known = std::ranges::count(kTokenizerFiles, std::string_view(name)) > 0;
  if (known && name != "target.spm") return name;
  const std::string ending = ending_of(file);
  if (ending == ".model" || ending == ".spm") return "tokenizer.model";
  return ending == ".txt" ? "vocab.txt" : "tokenizer.json";
}

TaskTokenizer load(const fs::path& path) {
  TaskTokenizer chosen{.tokenizer = Tokenizer::load(path), .files = {}};
  const auto take = [&chosen](const char* name, const fs::path& file) {
    if (is_there(file)) chosen.files[name] = read_file(file);
  };
  if (is_folder(path)) {
    for (const char* name : kTokenizerFiles) take(name, model_file(path, name));
    return chosen;
  }
  if (is_gguf(path)) {
    const Gguf model = Gguf::open(path);
    chosen.files["tokenizer.json"] = gguf_tokenizer_json(model);
    chosen.files["tokenizer_config.json"] = gguf_tokenizer_config(model);
    return chosen;
  }
  const std::string name = name_in_folder(path);
  if (name != "tokenizer.json") {
    for (const char* beside : kBesideVocabularies) take(beside, path.parent_path() / beside);
  }
  chosen.files[name] = read_file(path);
  return chosen;
}

/// Where a tokenizer that is not learnt is read from.
fs::path place_of_tokenizer(const TrainConfig& settings) {
  if (settings.tokenizer.empty()) return find_model(settings.model);
  try {
    return find_model(settings.tokenizer);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
    throw Error(ErrorCode::not_found,
                fmt::format("tokenizer {}: needed a tokenizer.json, a folder or model with one, or "
                            "characters, bpe, wordpiece or unigram to learn one, found none of "
                            "them",
                            in_quotes(settings.tokenizer)));
  }
}

TaskTokenizer learnt(const TrainConfig& settings, TokenizerTraining usual,
                     const TaskTokenizer::Texts& texts) {
  usual.kind = tokenizer_kind(settings.tokenizer).value_or(usual.kind);
  if (settings.vocab > 0) usual.vocab = settings.vocab;
  TokenizerTrainer trainer(usual);
  texts(trainer);
  const std::string content = [&] {
    try {
      return trainer.train();
    } catch (const Error& error) {
      throw Error(error.code(), settings.data + ": " + error.what());
    }
  }();
  TaskTokenizer made{.tokenizer = tokenizer_from_json(content, "tokenizer.json"), .files = {}};
  made.files["tokenizer.json"] = content;
  made.files["tokenizer_config.json"] = config_for(*made.tokenizer, settings).dump(2) + "\n";
  return made;
}

/// A model's embeddings are rows by id: pieces of a tokenizer beside it that have other ids in its
/// own begin from what other pieces have learnt.
void tell_of_other_ids(const TrainConfig& settings, const Tokenizer& tokenizer) {
  if (settings.model.empty() || settings.tokenizer.empty()) return;
  std::shared_ptr<const Tokenizer> own;
  try {
    own = Tokenizer::load(find_model(settings.model));
  } catch (const Error&) {
    return;  // no tokenizer to compare; a model that cannot be read is told of where it is read
  }
  int64_t others = 0;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const bool same = id < own->vocab_size() && own->token_of(id) == tokenizer.token_of(id);
    others += same ? 0 : 1;
  }
  if (others == 0) return;
  log(LogLevel::warning,
      fmt::format("train: {} of {} have other ids, or none, in the tokenizer of model {}: they "
                  "begin from embeddings of other pieces",
                  others, counted(tokenizer.vocab_size(), "piece"), settings.model));
}

/// Of each file by its name; of several with one name, by that and a number.
Json describe_files(const std::vector<fs::path>& files) {
  Json all = Json::object();
  for (const fs::path& file : files) {
    const std::string plain = file.filename().string();
    std::string name = plain;
    for (int i = 2; all.contains(name); ++i) name = fmt::format("{} ({})", plain, i);
    all[name] = describe_file(file);
  }
  return all;
}

/// Of the files that a model's weights are read from, with an adapter's its base's; null without
/// any.
Json describe_weights(const fs::path& folder) {
  if (const fs::path whole = folder / "model.safetensors"; is_there(whole)) {
    return describe_file(whole);
  }
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : entries_of(folder)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  Json all = files.empty() ? Json() : describe_files(files);
  if (is_adapter(folder)) all["base"] = describe_weights(adapter_base(folder));
  return all;
}

}  // namespace

bool learns_tokenizer(const TrainConfig& settings) {
  return tokenizer_kind(settings.tokenizer) ||
         (settings.tokenizer.empty() && settings.model.empty());
}

TaskTokenizer TaskTokenizer::choose(const TrainConfig& settings, TokenizerTraining usual,
                                    const Texts& texts) {
  TaskTokenizer chosen = learns_tokenizer(settings) ? learnt(settings, std::move(usual), texts)
                                                    : load(place_of_tokenizer(settings));
  tell_of_other_ids(settings, *chosen.tokenizer);
  return chosen;
}

void add_lines(const std::string& file, TokenizerTrainer& trainer) {
  if (holds_ids(file)) {
    throw Error(ErrorCode::invalid_argument,
                file +
                    ": ids need the tokenizer that they are of; --tokenizer FILE or --model "
                    "names it");
  }
  const std::string content = read_text(file);
  std::string_view text = content;
  while (!text.empty()) {
    const size_t size = std::min(text.find('\n'), text.size() - 1) + 1;
    trainer.add(text.substr(0, size));
    text.remove_prefix(size);
  }
}

void TaskTokenizer::write(const fs::path& folder) const {
  for (const auto& [name, content] : files) write_file(folder / name, content);
}

void TaskBase::begin_from(ModelStart start) {
  start_ = std::move(start);
  if (!start_.from_checkpoint()) return;
  for (const char* name : kWritingFiles) {
    const fs::path file = model_file(start_.folder, name);
    if (is_there(file)) writing_[name] = read_file(file);
  }
}

void TaskBase::write_text_files(const fs::path& folder) const {
  tokenizer_.write(folder);
  for (const auto& [name, content] : writing_) write_file(folder / name, content);
}

Json TaskBase::identity() const {
  Json all = Json::object();
  const bool pairs = settings_.task == "translate" || settings_.task == "seq2seq";
  const auto describe = [&](const std::string& named) {
    return describe_files(pairs ? files_of(named) : std::vector<fs::path>{named});
  };
  all["data"] = describe(settings_.data);
  if (!settings_.validation.empty()) all["validation"] = describe(settings_.validation);
  all["config"] = start_.config;
  for (const auto& [name, content] : tokenizer_.files) all["tokenizer"][name] = crc32c(content);
  if (start_.from_checkpoint()) {
    if (Json weights = describe_weights(start_.folder); !weights.is_null()) {
      all["model"] = std::move(weights);
    }
  }
  return all;
}

std::vector<Encoding> TaskBase::encode(int64_t count,
                                       const std::function<Encoding(size_t row)>& one) const {
  std::vector<Encoding> rows(static_cast<size_t>(count));
  for (int64_t begin = 0; begin < count; begin += kTextsAtOnce) {
    check_cancelled();
    parallel_for(std::min(kTextsAtOnce, count - begin), [&](int64_t task, int) {
      const auto i = static_cast<size_t>(begin + task);
      rows[i] = one(i);
    });
  }
  return rows;
}

std::unique_ptr<TrainTask> make_task(const TrainConfig& settings, BadRows& bad) {
  if (!settings.task.empty() && settings.data.empty()) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("train {}: needed a file to learn from; --data names it", settings.task));
  }
  if (!settings.task.empty()) check_uses(settings);
  if (settings.task == "lm") return make_text_task(settings);
  if (settings.task == "classify") return make_classify_task(settings, bad);
  if (settings.task == "ner") return make_ner_task(settings, bad);
  if (settings.task == "mlm") return make_masked_task(settings);
  if (settings.task == "translate" || settings.task == "seq2seq") {
    return make_translate_task(settings, bad);
  }
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format(
          "train: the task must be lm, translate, seq2seq, classify, ner or mlm but is \"{}\"",
          settings.task));
}

}  // namespace heed
