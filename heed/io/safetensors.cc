#include "heed/io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <span>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/io/adapter.h"
#include "heed/io/json.h"
#include "heed/io/safetensors_format.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

/// A file of the checkpoint: its bytes and, where they are mapped, the mapping.
struct Source {
  std::shared_ptr<Storage> content;
  std::shared_ptr<const MappedFile> mapped;
};

Source map_source(const fs::path& path) {
  auto mapped = MappedFile::open(path);
  const auto bytes = mapped->bytes();
  auto content = Storage::borrow(bytes.data(), static_cast<int64_t>(bytes.size()), mapped);
  return {std::move(content), std::move(mapped)};
}

/// Tensor name to shard file name, as the index lists them.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const Json index = read_json(path);
  const auto fail = [&](const std::string& found) {
    throw Error(ErrorCode::corrupt_data,
                path.string() +
                    ": needed an object \"weight_map\" of tensor names and shard files" + found);
  };
  if (!index.is_object() || !index.contains("weight_map")) fail(", found none");
  const Json& weight_map = index["weight_map"];
  if (!weight_map.is_object()) fail(std::string(", found ") + weight_map.type_name());
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, file] : weight_map.items()) {
    if (!file.is_string())
      fail(", found " + std::string(file.type_name()) + " at " + in_quotes(tensor));
    auto name = file.get<std::string>();
    // Shards lie beside the index: a name that leads elsewhere is an attack or a mistake.
    if (name.empty() || name == "." || name == ".." ||
        name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos) {
      fail(" beside the index, found the path " + in_quotes(name) + " at " + in_quotes(tensor));
    }
    shards.emplace(tensor, std::move(name));
  }
  return shards;
}

/// Names in a folder, sorted; a link whose target is gone says so.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;  // a folder that cannot be listed looks empty
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const bool dangling = entry.is_symlink(error) && !fs::exists(entry.path(), error);
    names.push_back(entry.path().filename().string() + (dangling ? " (a link to nothing)" : ""));
  }
  std::sort(names.begin(), names.end());
  return names;
}

[[noreturn]] void fail_without_weights(const fs::path& folder) {
  const std::vector<std::string> names = names_in(folder);
  std::string advice;
  for (const std::string& name : names) {
    if (name.ends_with(".safetensors"))
      advice = "; give the path of " + name + " itself to read it";
    if (name == "checkpoints") {
      advice =
          "; it is of a run that has not ended (heed train --resume ends it); its models so far "
          "are in " +
          (folder / name).string();
    }
    if (name.starts_with("pytorch_model") && name.ends_with(".bin")) {
      advice = "; " + name +
               " is a pickle, which can run code and is not read: convert it with "
               "transformers' save_pretrained";
    }
  }
  throw Error(ErrorCode::not_found,
              "checkpoint " + folder.string() + ": needed " + kSingleFile + " or " + kIndexFile +
                  ", found " + (names.empty() ? "an empty folder" : listed(names)) + advice);
}

/// The file in a folder, or the file itself, that says what the checkpoint holds.
fs::path resolve(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    throw Error(ErrorCode::not_found,
                "checkpoint " + path.string() + ": needed a folder or a .safetensors file, found " +
                    (fs::is_symlink(fs::symlink_status(path, error)) ? "a link to nothing"
                                                                     : "nothing there"));
  }
  if (!fs::is_directory(status)) return path;
  for (const char* name : {kSingleFile, kIndexFile}) {
    if (fs::exists(path / name, error)) return path / name;
  }
  fail_without_weights(path);
}

[[noreturn]] void fail_unknown(const std::string& name,
                               const std::map<std::string, Checkpoint::Entry>& entries) {
  std::vector<std::string> names;
  for (const auto& [known, entry] : entries) names.push_back(known);
  const std::vector<std::string> meant = closest(name, names);
  throw Error(ErrorCode::not_found,
              "checkpoint: needed tensor " + in_quotes(name) + ", found " +
                  std::to_string(names.size()) + " others" +
                  (meant.empty() ? std::string() : "; the nearest: " + listed(meant)));
}

/// Misaligned data cannot be used in place, nor can booleans that are neither 0 nor 1, which C++
/// leaves undefined.
bool can_view(const std::byte* data, const Checkpoint::Entry& entry, DType dtype) {
  const int64_t size = size_of(dtype);
  if (entry.offset_bytes % size != 0) return false;
  if (reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(size) != 0) return false;
  return dtype != DType::boolean ||
         std::all_of(data, data + entry.bytes, [](std::byte b) { return b <= std::byte{1}; });
}

}  // namespace

struct Checkpoint::Impl {
  std::map<std::string, Entry> entries;
  std::map<fs::path, Source> sources;
  std::map<std::string, std::string> metadata;
  std::shared_ptr<const internal::Adapter> adapter;

  /// A base model's tensors, and what an adapter puts beside them.
  void add_adapted(const fs::path& folder) {
    const Checkpoint whole = Checkpoint::open(adapter_base(folder));
    auto added = std::make_shared<internal::Adapter>(folder);
    const std::string before = added->fit(whole.entries());
    for (const auto& [name, entry] : whole.entries()) entries[before + name] = entry;
    for (const auto& [name, in_file] : added->own()) {
      entries[name] = added->file().entries().at(in_file);
    }
    metadata = whole.metadata();
    sources = whole.impl_->sources;
    sources.insert(added->file().impl_->sources.begin(), added->file().impl_->sources.end());
    adapter = std::move(added);
  }

  void add(const fs::path& file, Source source) {
    const auto bytes = std::span<const std::byte>(source.content->data(),
                                                  static_cast<size_t>(source.content->bytes()));
    internal::Header header = internal::parse_header(bytes, file.string());
    for (internal::HeaderTensor& tensor : header.tensors) {
      entries[std::move(tensor.name)] = {std::move(tensor.dtype), tensor.shape, tensor.bytes, file,
                                         tensor.offset_bytes};
    }
    metadata.merge(header.metadata);
    sources.emplace(file, std::move(source));
  }

  void add_shards(const fs::path& index) {
    const std::map<std::string, std::string> shard_of = read_index(index);
    std::set<std::string> shards;
    for (const auto& [tensor, shard] : shard_of) shards.insert(shard);
    const fs::path folder = index.parent_path();
    check_present(index, shards);
    for (const std::string& shard : shards) {
      Impl one;
      one.add(folder / shard, map_source(folder / shard));
      take_listed(one, shard, shard_of);
    }
    for (const auto& [tensor, shard] : shard_of) {
      if (entries.contains(tensor)) continue;
      throw Error(ErrorCode::corrupt_data, index.string() + ": lists " + in_quotes(tensor) +
                                               " in " + shard +
                                               ", which does not hold it: index and shard "
                                               "are of different checkpoints; fetch both again");
    }
  }

 private:
  static void check_present(const fs::path& index, const std::set<std::string>& shards) {
    std::vector<std::string> missing;
    std::error_code error;
    for (const std::string& shard : shards) {
      if (!fs::exists(index.parent_path() / shard, error)) missing.push_back(shard);
    }
    if (missing.empty()) return;
    throw Error(ErrorCode::not_found, index.string() + ": needed " + std::to_string(shards.size()) +
                                          " shards beside it, found " +
                                          std::to_string(shards.size() - missing.size()) +
                                          "; fetch " + listed(missing));
  }

  /// A shard may hold more than the index says of it: the index decides.
  void take_listed(Impl& one, const std::string& shard,
                   const std::map<std::string, std::string>& shard_of) {
    for (auto& [tensor, entry] : one.entries) {
      const auto listed_in = shard_of.find(tensor);
      if (listed_in != shard_of.end() && listed_in->second == shard) entries[tensor] = entry;
    }
    metadata.merge(one.metadata);
    sources.merge(one.sources);
  }
};

Checkpoint Checkpoint::open(const fs::path& file_or_folder) {
  auto impl = std::make_shared<Impl>();
  if (is_adapter(file_or_folder)) {
    impl->add_adapted(file_or_folder);
    return Checkpoint(std::move(impl));
  }
  const fs::path file = resolve(file_or_folder);
  if (file.string().ends_with(".index.json")) {
    impl->add_shards(file);
  } else {
    impl->add(file, map_source(file));
  }
  return Checkpoint(std::move(impl));
}

Checkpoint Checkpoint::parse(std::shared_ptr<Storage> content, const std::string& where) {
  auto impl = std::make_shared<Impl>();
  impl->add(where, {std::move(content), nullptr});
  return Checkpoint(std::move(impl));
}

const std::map<std::string, Checkpoint::Entry>& Checkpoint::entries() const {
  return impl_->entries;
}

bool Checkpoint::contains(const std::string& name) const { return impl_->entries.contains(name); }

const std::map<std::string, std::string>& Checkpoint::metadata() const { return impl_->metadata; }

Tensor Checkpoint::load(const std::string& name) const {
  const Tensor stored = load_stored(name);
  return impl_->adapter ? impl_->adapter->applied(name, stored) : stored;
}

Tensor Checkpoint::load_stored(const std::string& name) const {
  const auto found = impl_->entries.find(name);
  if (found == impl_->entries.end()) fail_unknown(name, impl_->entries);
  const Entry& entry = found->second;
  const std::optional<DType> dtype = internal::held_dtype(entry.dtype);
  if (!dtype) {
    throw Error(ErrorCode::unsupported, "checkpoint: tensor " + in_quotes(name) + " is " +
                                            entry.dtype + ", which Heed lists but cannot load");
  }
  const std::shared_ptr<Storage>& content = impl_->sources.at(entry.file).content;
  const std::byte* data = content->data() + entry.offset_bytes;
  if (can_view(data, entry, *dtype)) {
    return Tensor::view(content, entry.offset_bytes, entry.shape, *dtype);
  }
  Tensor copy = Tensor::empty(entry.shape, *dtype);
  std::memcpy(copy.raw_data(), data, static_cast<size_t>(entry.bytes));
  if (*dtype == DType::boolean) {
    std::transform(data, data + entry.bytes, copy.raw_data(),
                   [](std::byte b) { return b == std::byte{0} ? std::byte{0} : std::byte{1}; });
  }
  release(name);
  return copy;
}

void Checkpoint::release(const std::string& name) const {
  const auto found = impl_->entries.find(name);
  if (found == impl_->entries.end()) return;
  const Entry& entry = found->second;
  const Source& source = impl_->sources.at(entry.file);
  if (source.mapped != nullptr) source.mapped->release(entry.offset_bytes, entry.bytes);
}

}  // namespace heed
