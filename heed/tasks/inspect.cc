#include "heed/tasks/inspect.h"

#include <algorithm>
#include <map>

#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/base/paths.h"
#include "heed/io/json.h"
#include "heed/io/safetensors.h"
#include "heed/models/gguf_model.h"
#include "heed/models/heads.h"
#include "heed/models/registry.h"
#include "heed/tasks/embed.h"
#include "heed/text/chat_template.h"
#include "heed/text/tokenizer.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

/// Runs a step; its Error becomes an obstacle.
template <class Step>
bool attempt(ModelSummary& summary, Step&& step) {
  try {
    step();
    return true;
  } catch (const Error& error) {
    summary.obstacles.emplace_back(error.what());
    return false;
  }
}

void count(ModelSummary& summary) {
  std::map<std::string, ModelSummary::DType> dtypes;
  for (const ModelSummary::StoredTensor& tensor : summary.tensors) {
    ModelSummary::DType& dtype = dtypes[tensor.dtype];
    dtype.name = tensor.dtype;
    ++dtype.tensors;
    dtype.parameters += tensor.shape.numel();
    dtype.bytes += tensor.bytes;
    summary.parameters += tensor.shape.numel();
    summary.bytes += tensor.bytes;
  }
  for (auto& [name, dtype] : dtypes) summary.dtypes.push_back(std::move(dtype));
  std::stable_sort(summary.dtypes.begin(), summary.dtypes.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
}

void read_tensors(ModelSummary& summary, const Checkpoint& checkpoint) {
  for (const auto& [name, entry] : checkpoint.entries()) {
    summary.tensors.push_back(
        {name, entry.dtype, entry.shape, entry.bytes, entry.file.filename().string()});
  }
  summary.metadata = checkpoint.metadata();
  count(summary);
}

void read_tensors(ModelSummary& summary, Gguf file, const fs::path& path) {
  for (const auto& [name, entry] : file.tensors()) {
    summary.tensors.push_back({name, entry.type, entry.shape,
                               static_cast<int64_t>(entry.bytes.size()), path.filename().string()});
  }
  summary.gguf = std::move(file);
  count(summary);
}

/// Files of the folder and the folders in it, but for hidden ones (.git, .cache).
std::vector<ModelSummary::File> list_files(const fs::path& folder) {
  std::vector<ModelSummary::File> files;
  const auto unread = [](const fs::path&, const Error& error) {
    log(LogLevel::warning, error.what());
  };
  for (const fs::path& file : files_below(folder, unread)) {
    std::error_code error;
    const auto bytes = static_cast<int64_t>(fs::file_size(file, error));
    if (!error) files.push_back({file.lexically_relative(folder).string(), bytes});
  }
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return files;
}

/// What config.json calls the model; the registry says what is wrong with odd files.
void read_names(ModelSummary& summary, const Json& config) {
  if (!config.is_object()) return;
  if (config.contains("model_type") && config["model_type"].is_string()) {
    summary.model_type = config["model_type"].get<std::string>();
  }
  if (!config.contains("architectures") || !config["architectures"].is_array()) return;
  for (const Json& name : config["architectures"]) {
    if (name.is_string()) summary.architectures.push_back(name.get<std::string>());
  }
}

/// Loads what commands would load: only that shows that nothing is missing.
void try_out(ModelSummary& summary, const fs::path& folder) {
  std::vector<HeadTask> tasks;
  attempt(summary, [&] {
    if (model_kind(folder) == ModelKind::encoder_decoder) {
      summary.pair_facts = load_encoder_decoder(folder)->facts();
    } else {
      const EncoderWithHeads model = load_with_heads(folder);
      summary.facts = model.encoder->facts();
      for (const auto& head : model.heads) tasks.push_back(head->task());
    }
  });
  const bool reads = attempt(summary, [&] {
    const auto tokenizer = Tokenizer::load(folder);
    summary.tokenizer = {std::string(tokenizer->kind()), tokenizer->vocab_size()};
  });
  const auto offer = [&](bool runs, const char* command) {
    if (runs) summary.commands.emplace_back(command);
  };
  const bool states = summary.facts.has_value();
  offer(states && reads, "look");
  offer(states && reads, "embed");
  offer(reads, "tokens");
  const bool pair = summary.pair_facts.has_value();
  offer(states || pair, "forward");
  const auto has = [&](HeadTask task) {
    return reads && std::ranges::find(tasks, task) != tasks.end();
  };
  offer(has(HeadTask::classify), "classify");
  offer(has(HeadTask::tag), "ner");
  offer(has(HeadTask::fill), "fill");
  offer(has(HeadTask::answer), "answer");
  const bool writes = pair || (states && model_kind(folder) == ModelKind::causal);
  offer(writes, "generate");
  bool chats = false;
  if (writes && reads) {
    attempt(summary, [&] { chats = ChatTemplate::find(folder).has_value(); });
  }
  offer(chats, "chat");
  offer(writes, "score");
  offer(pair && reads, "translate");
  offer(pair && reads, "summarize");
  // a recurrent model tells nobody where it looks
  offer(pair && reads && summary.pair_facts->architecture != "recurrent", "look");
}

}  // namespace

ModelSummary inspect_model(const fs::path& path) {
  ModelSummary summary;
  if (is_gguf(path)) {
    read_tensors(summary, Gguf::open(path), path);
    attempt(summary, [&] { read_names(summary, gguf_config(*summary.gguf).json()); });
    if (summary.obstacles.empty()) try_out(summary, path);
    return summary;
  }
  if (!is_folder(path)) {
    read_tensors(summary, Checkpoint::open(path));
    summary.obstacles.emplace_back(
        "a file of tensors alone does not run; give the folder with its config.json");
    return summary;
  }
  fs::path encoder_folder = path;
  std::string odd_modules;
  try {
    EmbedSteps::read(path, &encoder_folder);
  } catch (const Error& error) {
    odd_modules = error.what();
  }
  read_tensors(summary, Checkpoint::open(encoder_folder));
  summary.files = list_files(path);
  attempt(summary, [&] { read_names(summary, read_json(encoder_folder / "config.json")); });
  // without names there is no architecture to try, and the obstacle has been told
  if (summary.obstacles.empty()) try_out(summary, encoder_folder);
  if (!odd_modules.empty()) {
    std::erase(summary.commands, "embed");
    summary.obstacles.push_back(odd_modules);
  }
  return summary;
}

}  // namespace heed
