#include "heed/train/run_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/paths.h"
#include "heed/io/adapter.h"
#include "heed/text/tokenizer_files.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCheckpoints = "checkpoints";

/// Files that a run writes as a whole, beside the tokenizer's.
constexpr std::array<std::string_view, 6> kFiles = {
    "config.json", "train.yaml", "model.safetensors", kAdapterConfig, kAdapterWeights, "loss.png"};

bool is_of_run(std::string_view name) {
  return std::ranges::count(kFiles, name) + std::ranges::count(kTokenizerFiles, name) +
             std::ranges::count(kWritingFiles, name) >
         0;
}

/// A model that stands without a run's checkpoints may be anybody's: no result replaces it.
void check_no_model(const fs::path& folder) {
  const fs::path checkpoints = folder / kCheckpoints;
  if (is_folder(checkpoints) && !entries_of(checkpoints).empty()) return;
  for (const char* weights : {"model.safetensors", "model.safetensors.index.json", kAdapterWeights,
                              "pytorch_model.bin"}) {
    if (!is_there(folder / weights)) continue;
    throw Error(ErrorCode::invalid_argument,
                fmt::format("train: {} holds {} and no checkpoints of a run; the result would "
                            "replace it; name another folder with --out",
                            folder.string(), weights));
  }
}

fs::path prepared(const TrainConfig& settings) {
  if (settings.out.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "train: needed a folder for the result; --out names one");
  }
  check_no_model(settings.out);
  make_folder(settings.out);
  return settings.out;
}

}  // namespace

RunFolder::RunFolder(const TrainConfig& settings, bool resume)
    : path_(prepared(settings)),
      checkpoints_(std::make_unique<CheckpointFolder>(path_ / kCheckpoints, settings.keep)) {
  remove_temporaries(path_, is_of_run);  // no other run writes here: checkpoints_ holds the lock
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
  write_file(folder / "config.json", result_config(task.start()).dump(2) + "\n");
  task.write_text_files(folder);
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
