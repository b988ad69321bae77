#include "heed/train/checkpoint_state.h"

#include <vector>

#include "heed/base/crc32c.h"
#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/io/safetensors.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStateFile = "state.json";
constexpr const char* kFormat = "heed training checkpoint";
constexpr int kVersion = 1;
constexpr size_t kDifferencesTold = 4;

/// What is not UTF-8 (a path, say) is replaced; what was read is UTF-8.
std::string text_of(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string sum_of(const Json& content) { return crc_text(crc32c(text_of(content))); }

[[noreturn]] void fail(ErrorCode code, const fs::path& folder, const std::string& found) {
  throw Error(code, "checkpoint " + folder.string() + ": " + found);
}

/// The content of state.json, or an Error: it is checked before anything is read by its name.
Json read_content(const fs::path& folder) {
  if (!is_folder(folder)) fail(ErrorCode::not_found, folder, "there is no such folder");
  if (!is_there(folder / kStateFile)) {
    fail(ErrorCode::not_found, folder,
         "needed state.json, which a training run writes last, found none: this is no training "
         "checkpoint");
  }
  Json state = read_json(folder / kStateFile);
  if (!state.is_object() || state.value("format", Json()) != kFormat) {
    fail(ErrorCode::corrupt_data, folder, "state.json is not that of a training checkpoint");
  }
  if (state.value("version", Json()) != kVersion) {
    fail(ErrorCode::unsupported, folder,
         "needed version " + std::to_string(kVersion) + " of the format, found " +
             printable(state.value("version", Json()).dump()) + "; another Heed wrote it");
  }
  Json content = state.value("content", Json());
  const std::string needed = sum_of(content);
  if (state.value("crc32c", Json()) != needed) {
    fail(ErrorCode::corrupt_data, folder,
         "state.json is damaged: its content does not give its sum");
  }
  if (!content.is_object() || !content.value("files", Json()).is_object()) {
    fail(ErrorCode::corrupt_data, folder, "state.json does not list the checkpoint's files");
  }
  return content;
}

void check_files(const fs::path& folder, const Json& files) {
  for (const auto& [name, needed] : files.items()) {
    const fs::path file = folder / name;
    std::error_code error;
    if (!fs::is_regular_file(file, error)) {
      fail(ErrorCode::not_found, folder, "needed " + in_quotes(name) + ", found no such file");
    }
    const Json found = describe_file(file);
    if (found != needed) {
      fail(ErrorCode::corrupt_data, folder,
           name + " is damaged: needed " + needed.dump() + ", found " + found.dump());
    }
  }
}

NamedTensors load_tensors(const fs::path& file) {
  const Checkpoint checkpoint = Checkpoint::open(file);
  NamedTensors tensors;
  for (const auto& [name, entry] : checkpoint.entries()) {
    tensors.emplace_back(name, checkpoint.load(name));
  }
  return tensors;
}

void compare(const Json& now, const Json& saved, const std::string& path,
             std::vector<std::string>& differences) {
  if (!now.is_object() || !saved.is_object()) {
    if (now == saved) return;
    differences.push_back(path + " is " + (now.is_null() ? "absent" : text_of(now)) +
                          " now and was " + (saved.is_null() ? "absent" : text_of(saved)));
    return;
  }
  Json names = now;
  names.update(saved);
  for (const auto& [name, ignored] : names.items()) {
    compare(now.value(name, Json()), saved.value(name, Json()),
            path.empty() ? name : path + "." + name, differences);
  }
}

/// What runs are compared by. Beside a tokenizer.json nothing in tokenizer_config.json decides how
/// texts are cut, and what Heed writes there of one that it learnt may change from version to
/// version.
Json compared(Json run) {
  if (!run.is_object() || !run.contains("tokenizer")) return run;
  Json& tokenizer = run["tokenizer"];
  if (tokenizer.contains("tokenizer.json")) tokenizer.erase("tokenizer_config.json");
  return run;
}

}  // namespace

namespace internal {

void write_state(const TrainingState& state, bool best, const fs::path& folder) {
  Json files = Json::object();
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    files[fs::relative(entry.path(), folder).string()] = describe_file(entry.path());
  }
  const Json content{{"step", state.step},
                     {"progress", state.progress},
                     {"run", state.run},
                     {"best", best},
                     {"files", std::move(files)}};
  const Json all{{"format", kFormat},
                 {"version", kVersion},
                 {"crc32c", sum_of(content)},
                 {"content", content}};
  write_file(folder / kStateFile, text_of(all, 1) + "\n");
}

}  // namespace internal

TrainingState load_checkpoint(const fs::path& folder) {
  const Json content = read_content(folder);
  const Json& files = content["files"];
  for (const char* name : {internal::kModelFile, internal::kOptimizerFile}) {
    if (!files.contains(name)) {
      fail(ErrorCode::corrupt_data, folder, std::string("state.json does not list ") + name);
    }
  }
  const Json step = content.value("step", Json());
  if (!step.is_number_integer() || step.get<int64_t>() < 0) {
    fail(ErrorCode::corrupt_data, folder, "step must be a number of updates, found " + step.dump());
  }
  check_files(folder, files);
  return {.step = step.get<int64_t>(),
          .weights = load_tensors(folder / internal::kModelFile),
          .optimizer = load_tensors(folder / internal::kOptimizerFile),
          .progress = content.value("progress", Json()),
          .run = content.value("run", Json()),
          .best = content.value("best", Json()) == true};
}

void check_same_run(const Json& now, const Json& saved, const std::string& where) {
  std::vector<std::string> differences;
  Json rest_now = compared(now), rest_saved = compared(saved);
  if (now.is_object() && saved.is_object()) {  // what config and so on follow from is told first
    for (const char* name : {"settings", "data", "validation", "model"}) {
      compare(now.value(name, Json()), saved.value(name, Json()), name, differences);
      rest_now.erase(name);
      rest_saved.erase(name);
    }
  }
  compare(rest_now, rest_saved, "", differences);
  if (differences.empty()) return;
  throw Error(ErrorCode::invalid_argument,
              "resume: the run of " + where +
                  " is another: " + printable(listed(differences, kDifferencesTold)) +
                  "; give what it had, or start a new run in another folder");
}

Json describe_file(const fs::path& path) {
  const auto file = MappedFile::open(path);
  return {{"bytes", file->bytes().size()}, {"crc32c", crc_text(crc32c(file->bytes()))}};
}

}  // namespace heed
