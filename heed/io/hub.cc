#include "heed/io/hub.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <optional>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFolderPrefix = "models--";

/// A variable's value with a leading ~ resolved; empty if unset.
std::string variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return {};
  const char* home = std::getenv("HOME");
  const std::string_view text = value;
  if (home != nullptr && (text == "~" || text.starts_with("~/"))) {
    return home + std::string(text.substr(1));
  }
  return std::string(text);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

/// The hub's rule for ORG and NAME; it also keeps paths inside the cache.
bool is_plain_name(std::string_view part) {
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
  };
  return !part.empty() && part.find("..") == std::string_view::npos && part != "." &&
         std::all_of(part.begin(), part.end(), allowed);
}

bool is_model_name(std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return is_plain_name(name);
  return is_plain_name(name.substr(0, slash)) && is_plain_name(name.substr(slash + 1));
}

/// "models--ORG--NAME" to "ORG/NAME".
std::string name_of(std::string_view folder) {
  std::string name(folder.substr(kFolderPrefix.size()));
  if (const size_t dashes = name.find("--"); dashes != std::string::npos) {
    name.replace(dashes, 2, "/");
  }
  return name;
}

/// snapshots/REVISION of refs/main, else the newest snapshot, which is what a download by a fixed
/// revision leaves behind.
std::optional<fs::path> snapshot_of(const fs::path& model) {
  std::error_code error;
  if (fs::is_regular_file(model / "refs/main", error)) {
    std::string revision = read_file(model / "refs/main");
    revision.erase(std::remove_if(revision.begin(), revision.end(),
                                  [](unsigned char c) { return std::isspace(c) != 0; }),
                   revision.end());
    if (is_plain_name(revision) && fs::is_directory(model / "snapshots" / revision, error)) {
      return model / "snapshots" / revision;
    }
  }
  std::optional<std::pair<fs::file_time_type, fs::path>> newest;
  for (const auto& entry : fs::directory_iterator(model / "snapshots", error)) {
    if (!entry.is_directory(error)) continue;
    std::pair candidate(entry.last_write_time(error), entry.path());
    if (!newest || candidate > *newest) newest = std::move(candidate);
  }
  if (!newest) return std::nullopt;
  return newest->second;
}

/// What a folder's model is read from: the folder, or the one GGUF file of a folder without a
/// config.json, which is how quantised models are handed round.
fs::path model_in(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error) || fs::exists(folder / "config.json", error)) return folder;
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (ending_of(entry.path()) == ".gguf") files.push_back(entry.path().filename().string());
  }
  if (files.empty()) return folder;
  if (files.size() == 1) return folder / files[0];
  std::sort(files.begin(), files.end());
  throw Error(ErrorCode::invalid_argument, "model " + folder.string() +
                                               ": needed one model, found the files " +
                                               listed(files) + "; give the path of one");
}

[[noreturn]] void fail_not_cached(std::string_view name, const fs::path& cache,
                                  const std::vector<CachedModel>& models) {
  std::vector<std::string> names;
  for (const CachedModel& model : models) names.push_back(model.name);
  const std::vector<std::string> meant = closest(name, names);
  throw Error(ErrorCode::not_found,
              "model " + in_quotes(name) + ": needed a folder or a model in " + cache.string() +
                  ", found neither; the cache holds " + (names.empty() ? "none" : listed(names)) +
                  (meant.empty() ? std::string() : "; did you mean " + listed(meant) + "?") +
                  "; give a folder with config.json and model.safetensors, a .gguf file, or fetch "
                  "it into the "
                  "cache (`hf download ORG/NAME`)");
}

}  // namespace

fs::path hub_cache() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (std::string value = variable(name); !value.empty()) return value;
  }
  if (const std::string home = variable("HF_HOME"); !home.empty()) return fs::path(home) / "hub";
  if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty()) {
    return fs::path(cache) / "huggingface/hub";
  }
  const std::string home = variable("HOME");
  return fs::path(home.empty() ? "." : home) / ".cache/huggingface/hub";
}

std::vector<CachedModel> cached_models() {
  std::vector<CachedModel> models;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(hub_cache(), error)) {
    const std::string folder = entry.path().filename().string();
    if (!folder.starts_with(kFolderPrefix)) continue;
    if (auto snapshot = snapshot_of(entry.path())) {
      models.push_back({name_of(folder), std::move(*snapshot)});
    }
  }
  std::sort(models.begin(), models.end(),
            [](const CachedModel& a, const CachedModel& b) { return a.name < b.name; });
  return models;
}

fs::path find_model(std::string_view name_or_path) {
  const fs::path path(name_or_path);
  std::error_code error;
  if (!name_or_path.empty() && fs::exists(path, error)) return model_in(path);
  const std::vector<CachedModel> models = cached_models();
  if (is_model_name(name_or_path)) {
    std::vector<const CachedModel*> matches;
    const std::string wanted = lower(name_or_path);
    for (const CachedModel& model : models) {
      if (model.name == name_or_path) return model_in(model.folder);
      const std::string known = lower(model.name);
      if (known == wanted || known.ends_with("/" + wanted)) matches.push_back(&model);
    }
    if (matches.size() == 1) return model_in(matches[0]->folder);
    if (matches.size() > 1) {
      std::vector<std::string> names;
      for (const CachedModel* match : matches) names.push_back(match->name);
      throw Error(ErrorCode::invalid_argument, "model " + in_quotes(name_or_path) +
                                                   ": needed one model, the cache has " +
                                                   listed(names) + "; give the full name");
    }
  }
  fail_not_cached(name_or_path, hub_cache(), models);
}

}  // namespace heed
