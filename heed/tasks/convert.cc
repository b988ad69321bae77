#include "heed/tasks/convert.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/paths.h"
#include "heed/io/adapter.h"
#include "heed/io/gguf.h"
#include "heed/io/json.h"
#include "heed/io/safetensors.h"
#include "heed/models/gguf_names.h"
#include "heed/models/model_files.h"
#include "heed/tasks/convert_gguf.h"
#include "heed/tasks/convert_weights.h"
#include "heed/text/gguf_tokenizer.h"
#include "heed/text/tokenizer_files.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

/// What sentence-transformers keeps beside the model.
constexpr std::array<const char*, 3> kSentenceFiles = {"modules.json", "sentence_bert_config.json",
                                                       "config_sentence_transformers.json"};

/// A folder that appears under its name when it is whole.
class StagedFolder {
 public:
  explicit StagedFolder(const fs::path& target)
      : target_(absolute_path(target).lexically_normal()) {
    if (!target_.has_filename()) target_ = target_.parent_path();  // "out/"
    std::error_code error;
    if (fs::exists(target_, error)) {
      throw Error(ErrorCode::invalid_argument, "convert: " + target.string() +
                                                   " is there already; remove it or give another "
                                                   "name");
    }
    path_ = target_.string() + "." + std::to_string(::getpid()) + ".tmp";
    if (!fs::create_directory(path_, error)) {
      throw Error(ErrorCode::io_failure,
                  "convert: cannot make the folder " + path_.string() + ": " + error.message());
    }
  }
  ~StagedFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  fs::path operator/(const char* name) const { return path_ / name; }
  void commit() {
    sync_path(path_);
    std::error_code error;
    fs::rename(path_, target_, error);
    if (error) {
      throw Error(ErrorCode::io_failure,
                  "convert: cannot rename into " + target_.string() + ": " + error.message());
    }
    path_.clear();
    sync_path(target_.parent_path());
  }

 private:
  fs::path target_;
  fs::path path_;  // empty when it is in place
};

DType dtype_of(BlockKind kind) {
  switch (kind) {
    case BlockKind::f32:
      return DType::f32;
    case BlockKind::bf16:
      return DType::bf16;
    case BlockKind::f16:
      return DType::f16;
    default:
      throw Error(ErrorCode::unsupported,
                  fmt::format("convert: a folder's safetensors hold no {}; give --dtype f32, bf16 "
                              "or f16, or save as .gguf",
                              to_string(kind)));
  }
}

/// A model's weights as transformers names and orders them.
class FolderContent {
 public:
  FolderContent(const fs::path& model, const ConfigReader& config)
      : params_(open_model_params(model)),
        architecture_(gguf_architecture_of(config.text("model_type", ""))) {
    if (config.boolean("rope_interleaved", false)) {
      head_dim_ = config.integer("head_dim", 2, 1 << 20);
    }
  }

  std::vector<PendingTensor> tensors(std::optional<BlockKind> dtype) const {
    std::vector<PendingTensor> tensors;
    for (const std::string& name : params_.source()->names()) {
      const internal::StoredWeight weight = internal::stored_tensor(*params_.source(), name);
      if (!weight.is_real()) {  // positions or masks that old versions stored
        tensors.push_back({name, weight.numbers.dtype(), weight.numbers.shape(),
                           [this, name] { return params_.source()->find(name); }});
        continue;
      }
      const DType becomes = dtype_of(dtype.value_or(weight.kind()));
      const bool turned = weight.blocks && is_turned(name);
      const Shape shape = weight.shape();
      tensors.push_back({name, becomes, turned ? Shape{shape[1], shape[0]} : shape,
                         [this, name, becomes, turned] { return make(name, becomes, turned); }});
    }
    return tensors;
  }

 private:
  /// Blocks are [N, K], GPT-2's matrices [K, N].
  bool is_turned(const std::string& name) const {
    const auto stored = architecture_ ? gguf_name(*architecture_, name) : std::nullopt;
    return stored && is_input_major(*architecture_, *stored);
  }

  Tensor make(const std::string& name, DType dtype, bool turned) const {
    check_cancelled();
    internal::StoredWeight weight = internal::stored_weight(*params_.source(), name);
    const auto stored = architecture_ ? gguf_name(*architecture_, name) : std::nullopt;
    if (head_dim_ > 0 && stored && rotated_part(*stored)) {
      weight = weight.reordered(
          [&](int64_t row) { return internal::interleaved_of_half(row, head_dim_); });
    }
    const Tensor values = weight.values();
    return (turned ? values.transpose(0, 1) : values).to(dtype);
  }

  Params params_;
  const GgufArchitecture* architecture_;
  int64_t head_dim_ = 0;  // 0: rows stay
};

void write_config(const ConfigReader& config, std::optional<BlockKind> dtype,
                  const fs::path& path) {
  Json document = config.json();
  document.erase("rope_interleaved");
  if (dtype) {
    document.erase("dtype");
    document["torch_dtype"] = *dtype == BlockKind::f32    ? "float32"
                              : *dtype == BlockKind::bf16 ? "bfloat16"
                                                          : "float16";
  }
  write_file(path, document.dump(2) + "\n");
}

/// The folders of what sentence-transformers does after the encoder.
void write_modules(const fs::path& model, const StagedFolder& folder) {
  const fs::path list = model_file(model, "modules.json");
  if (!is_there(list)) return;
  const fs::path from = list.parent_path();
  for (const Json& module : read_json(list)) {
    const fs::path path = ConfigReader(module, list.string()).text("path", "");
    if (path.empty() || path.is_absolute() || std::ranges::find(path, "..") != path.end()) continue;
    if (!is_folder(from / path)) continue;
    const fs::path to = folder / path.c_str();
    make_folder(to);
    for (const fs::directory_entry& file : entries_of(from / path)) {
      std::error_code ignored;
      if (!file.is_regular_file(ignored)) continue;
      write_file(to / file.path().filename(), read_file(file.path()));
    }
  }
}

void write_other_files(const fs::path& model, const ConfigReader& config,
                       const StagedFolder& folder) {
  if (is_gguf(model)) {
    const Gguf file = Gguf::open(model);
    if (!file.has("tokenizer.ggml.tokens")) return;
    write_file(folder / "tokenizer.json", gguf_tokenizer_json(file));
    write_file(folder / "tokenizer_config.json", gguf_tokenizer_config(file));
    Json ids = Json::object();
    for (const char* field : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
      if (config.has(field)) ids[field] = config.json()[field];
    }
    write_file(folder / "generation_config.json", ids.dump(2) + "\n");
    return;
  }
  const auto copy = [&](const char* name) {
    const fs::path file = model_file(model, name);  // an adapter's base has what it lacks
    std::error_code error;
    if (fs::exists(file, error)) write_file(folder / name, read_file(file));
  };
  std::ranges::for_each(kTokenizerFiles, copy);
  std::ranges::for_each(kWritingFiles, copy);
  std::ranges::for_each(kSentenceFiles, copy);
  write_modules(model, folder);
}

void convert_to_folder(const fs::path& model, const fs::path& out, const ConvertOptions& options) {
  const ConfigReader config = read_model_config(model);
  const FolderContent content(model, config);
  const std::vector<PendingTensor> tensors = content.tensors(options.dtype);
  StagedFolder folder(out);
  write_config(config, options.dtype, folder / "config.json");
  write_other_files(model, config, folder);
  stream_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}}, options.progress);
  folder.commit();
}

}  // namespace

void convert_model(const fs::path& model, const fs::path& out, const ConvertOptions& options) {
  if (ending_of(out) != ".gguf") {
    convert_to_folder(model, out, options);
  } else if (is_gguf(model)) {
    internal::convert_gguf(model, out, options);
  } else {
    internal::convert_folder_to_gguf(model, out, options);
  }
}

}  // namespace heed
