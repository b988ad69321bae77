#include "heed/train/run_folder.h"

#include <fmt/format.h>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/paths.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCheckpoints = "checkpoints";

/// What a process that was killed left half written.
void remove_leftovers(const fs::path& folder) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : entries_of(folder)) {
    const bool temporary = !target_of_temporary(entry.path().filename().string()).empty();
    if (temporary && entry.is_regular_file(ignored)) fs::remove(entry.path(), ignored);
  }
}

fs::path prepared(const TrainConfig& settings) {
  if (settings.out.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "train: needed a folder for the result; --out names one");
  }
  make_folder(settings.out);
  return settings.out;
}

}  // namespace

RunFolder::RunFolder(const TrainConfig& settings, bool resume)
    : path_(prepared(settings)),
      checkpoints_(std::make_unique<CheckpointFolder>(path_ / kCheckpoints, settings.keep)) {
  remove_leftovers(path_);  // no other process writes here: checkpoints_ holds the lock
  if (resume || checkpoints_->steps().empty()) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("train: {} holds a run already; --resume goes on with it, another --out "
                          "starts a new one",
                          path_.string()));
}

CheckpointFolder& RunFolder::checkpoints() const {
  HEED_ASSERT(checkpoints_ != nullptr);
  return *checkpoints_;
}

void RunFolder::write_model_files(const TrainTask& task, const fs::path& folder) const {
  write_file(folder / "config.json", task.start().config.dump(2) + "\n");
  task.write_tokenizer(folder);
}

void RunFolder::write_settings(const TrainConfig& settings) const {
  write_file(path_ / "train.yaml", to_yaml(settings));
}

Json settings_that_matter(const TrainConfig& settings) {
  Json all = Json::object();
  for (const TrainField& field : train_fields()) {
    if (field.may_change) continue;
    std::visit([&](auto member) { all[std::string(field.name)] = settings.*member; }, field.member);
  }
  return all;
}

}  // namespace heed
