#include "heed/train/checkpoint.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/log.h"
#include "heed/base/paths.h"
#include "heed/io/safetensors.h"
#include "heed/train/checkpoint_state.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";
constexpr const char* kBest = "best";
constexpr std::string_view kTemporary = ".tmp";
constexpr std::string_view kOld = ".old";

[[noreturn]] void fail(const std::string& what, int error) {
  throw Error(ErrorCode::io_failure, "checkpoint: " + what + ": " + std::strerror(error));
}

[[noreturn]] void fail(const fs::filesystem_error& error) {
  fail("cannot write " + error.path1().string(), error.code().value());
}

std::string temporary_of(const std::string& name) {
  return name + "." + std::to_string(::getpid()) + std::string(kTemporary);
}

std::string name_of(int64_t step) { return fmt::format("{}{:08}", kPrefix, step); }

/// 1000 of "step-00001000"; -1 of any other name.
int64_t step_of(std::string_view name) {
  if (!name.starts_with(kPrefix)) return -1;
  int64_t step = -1;
  const char* end = name.data() + name.size();
  const auto read = std::from_chars(name.data() + kPrefix.size(), end, step);
  const bool whole = read.ec == std::errc() && read.ptr == end;
  return whole && name == name_of(step) ? step : -1;
}

/// Whether save() or mark_best() leaves such an entry when its process is killed: a folder that is
/// half written or on its way out, or the link that would have become `best`.
bool is_leftover(const fs::directory_entry& entry) {
  const std::string file = entry.path().filename().string();
  std::string_view name = file;
  if (!name.ends_with(kTemporary)) return false;
  name.remove_suffix(kTemporary.size());
  const size_t point = name.find_last_not_of("0123456789");  // before the process's number
  if (point == std::string_view::npos || point + 1 == name.size() || name[point] != '.') {
    return false;
  }
  name = name.substr(0, point);
  std::error_code ignored;
  if (name == kBest) return entry.is_symlink(ignored);
  if (name.ends_with(kOld)) name.remove_suffix(kOld.size());
  return step_of(name) >= 0 && entry.symlink_status(ignored).type() == fs::file_type::directory;
}

void rename_to(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail("cannot rename into " + to.string(), errno);
}

/// Moves a folder out of sight before its files go one by one.
void remove_folder(const fs::path& folder) {
  const fs::path gone =
      folder.parent_path() / temporary_of(folder.filename().string() + std::string(kOld));
  rename_to(folder, gone);
  fs::remove_all(gone);
}

void sync_all(const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() || entry.is_directory()) sync_path(entry.path());
  }
  sync_path(folder);
}

/// The folder, made where it is not there.
const fs::path& made(const fs::path& folder, int64_t keep) {
  if (keep < 1) {
    throw Error(ErrorCode::invalid_argument,
                "checkpoint: needed to keep 1 or more, found " + std::to_string(keep));
  }
  std::error_code error;
  fs::create_directories(folder, error);
  return folder;
}

}  // namespace

CheckpointFolder::CheckpointFolder(fs::path folder, int64_t keep)
    : folder_(std::move(folder)), keep_(keep), lock_(made(folder_, keep), "checkpoint") {
  remove_leftovers();
}

void CheckpointFolder::remove_leftovers() const {
  std::error_code ignored;
  for (const fs::directory_entry& entry : entries_of(folder_)) {
    if (is_leftover(entry)) fs::remove_all(entry.path(), ignored);
  }
}

fs::path CheckpointFolder::save(const TrainingState& state, bool best,
                                const std::function<void(const fs::path& folder)>& add_files) {
  const fs::path target = path_of(state.step);
  const fs::path temporary = folder_ / temporary_of(target.filename().string());
  try {
    fs::remove_all(temporary);
    fs::create_directory(temporary);
    write_safetensors(temporary / internal::kModelFile, state.weights, {{"format", "pt"}});
    write_safetensors(temporary / internal::kOptimizerFile, state.optimizer);
    if (add_files) add_files(temporary);
    internal::write_state(state, best, temporary);
    sync_all(temporary);
    // The run was resumed from an earlier one, which stays until this one is in place.
    if (fs::exists(target)) remove_folder(target);
    rename_to(temporary, target);
    sync_path(folder_);
    if (best) mark_best(target);
    prune(state.step);
  } catch (const fs::filesystem_error& error) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    fail(error);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
  return target;
}

void CheckpointFolder::mark_best(const fs::path& checkpoint) const {
  const fs::path temporary = folder_ / temporary_of(kBest);
  fs::create_directory_symlink(checkpoint.filename(), temporary);
  rename_to(temporary, folder_ / kBest);
  sync_path(folder_);
}

/// Later ones than `newest` are of a run that this one was taken back from: they do not count and
/// stay.
void CheckpointFolder::prune(int64_t newest) const {
  std::vector<int64_t> older = steps();
  std::erase_if(older, [&](int64_t step) { return step > newest; });
  const auto marked = best();
  for (size_t i = 0; i + static_cast<size_t>(keep_) < older.size(); ++i) {
    const fs::path folder = path_of(older[i]);
    if (marked != folder) remove_folder(folder);
  }
}

std::vector<int64_t> CheckpointFolder::steps() const {
  std::vector<int64_t> found;
  for (const fs::directory_entry& entry : entries_of(folder_)) {
    const int64_t step = step_of(entry.path().filename().string());
    if (step >= 0) found.push_back(step);
  }
  std::sort(found.begin(), found.end());
  return found;
}

fs::path CheckpointFolder::path_of(int64_t step) const { return folder_ / name_of(step); }

std::optional<TrainingState> CheckpointFolder::load_newest() const {
  const std::vector<int64_t> all = steps();
  std::optional<Error> first;
  for (auto step = all.rbegin(); step != all.rend(); ++step) {
    try {
      TrainingState state = load_checkpoint(path_of(*step));
      // a kill may have come between its rename and its mark
      if (state.best && best() != path_of(*step)) mark_best(path_of(*step));
      return state;
    } catch (const Error& error) {
      if (!first) first = error;
      log(LogLevel::warning, std::string(error.what()) + "; passed over");
    }
  }
  if (first) throw *first;
  return std::nullopt;
}

std::optional<fs::path> CheckpointFolder::best() const {
  std::error_code error;
  const fs::path target = fs::read_symlink(folder_ / kBest, error);
  if (error || !fs::is_directory(folder_ / target, error)) return std::nullopt;
  return folder_ / target;
}

}  // namespace heed
