#include <zip.h>

#include <memory>
#include <set>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/io/npy.h"
#include "heed/io/npy_format.h"

namespace heed {
namespace {

constexpr std::string_view kEnding = ".npy";

/// Deflate cannot do better; a zip that claims more in all is a bomb.
constexpr uint64_t kMaxRatio = 1032;

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using Archive = std::unique_ptr<zip_t, Discard>;
using ArchiveEntry = std::unique_ptr<zip_file_t, Discard>;

[[noreturn]] void fail(ErrorCode code, const std::string& where, const std::string& found) {
  throw Error(code, where + ": " + found);
}

std::string describe(int zip_error_code) {
  zip_error_t error;
  zip_error_init_with_code(&error, zip_error_code);
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

/// Opens a zip in memory that outlives the archive.
Archive open_archive(std::string_view bytes, const std::string& where) {
  // libzip takes no bytes at all for an archive of no entries
  if (bytes.empty()) fail(ErrorCode::corrupt_data, where, "needed a .npz file, found 0 bytes");
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  Archive archive(source == nullptr ? nullptr : zip_open_from_source(source, ZIP_RDONLY, &error));
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  if (archive == nullptr) {
    if (source != nullptr) zip_source_free(source);
    fail(ErrorCode::corrupt_data, where,
         "needed a .npz file (a zip of .npy files), found " + std::to_string(bytes.size()) +
             " bytes that are none (" + reason + ")");
  }
  return archive;
}

struct EntryInfo {
  std::string file_name;
  uint64_t bytes = 0;
};

/// Names and sizes of all entries, which together claim no more than `archive_bytes` can hold.
std::vector<EntryInfo> list_entries(zip_t* archive, uint64_t archive_bytes,
                                    const std::string& where) {
  std::vector<EntryInfo> entries;
  uint64_t total = 0;
  const auto count = static_cast<zip_uint64_t>(zip_get_num_entries(archive, 0));
  for (zip_uint64_t index = 0; index < count; ++index) {
    zip_stat_t status;
    zip_stat_init(&status);
    constexpr zip_uint64_t kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE;
    if (zip_stat_index(archive, index, ZIP_FL_ENC_RAW, &status) != 0 ||
        (status.valid & kNeeded) != kNeeded || __builtin_add_overflow(total, status.size, &total) ||
        total / kMaxRatio > archive_bytes) {
      fail(ErrorCode::corrupt_data, where,
           "entry " + std::to_string(index) + " of the zip claims what " +
               std::to_string(archive_bytes) + " bytes cannot hold");
    }
    entries.push_back({status.name, status.size});
  }
  return entries;
}

/// The decompressed bytes; libzip checks their sum when the end is reached.
std::string read_entry(zip_t* archive, zip_uint64_t index, uint64_t bytes,
                       const std::string& where) {
  std::string content;
  try {
    content.resize(bytes);
  } catch (const std::exception&) {
    fail(ErrorCode::out_of_memory, where, "needs " + std::to_string(bytes) + " bytes");
  }
  const ArchiveEntry file(zip_fopen_index(archive, index, 0));
  char beyond = 0;
  if (file == nullptr ||
      zip_fread(file.get(), content.data(), bytes) != static_cast<zip_int64_t>(bytes) ||
      zip_fread(file.get(), &beyond, 1) != 0) {
    fail(ErrorCode::corrupt_data, where, "damaged, encrypted or of an unknown compression");
  }
  return content;
}

void add_entry(zip_t* archive, const std::string& name, std::string_view header,
               const Tensor& data) {
  const zip_buffer_fragment_t fragments[] = {
      // libzip only reads them
      {reinterpret_cast<zip_uint8_t*>(const_cast<char*>(header.data())), header.size()},
      {reinterpret_cast<zip_uint8_t*>(data.raw_data()),
       static_cast<zip_uint64_t>(data.numel() * size_of(data.dtype()))}};
  zip_source_t* source = zip_source_buffer_fragment(archive, fragments, 2, 0);
  const zip_int64_t index =
      source == nullptr
          ? -1
          : zip_file_add(archive, (name + std::string(kEnding)).c_str(), source, ZIP_FL_ENC_UTF_8);
  if (index < 0) {
    if (source != nullptr) zip_source_free(source);
    throw Error(ErrorCode::invalid_argument,
                "write_npz: cannot add " + in_quotes(name) + ": " + zip_strerror(archive));
  }
  const auto entry = static_cast<zip_uint64_t>(index);
  zip_set_file_compression(archive, entry, ZIP_CM_STORE, 0);
  // 1980-01-01 00:00, as NumPy has it: equal arrays give equal files.
  zip_file_set_dostime(archive, entry, 0, 1 << 5 | 1, 0);
}

}  // namespace

NamedTensors parse_npz(std::string_view bytes, const std::string& where) {
  const Archive archive = open_archive(bytes, where);
  const std::vector<EntryInfo> entries = list_entries(archive.get(), bytes.size(), where);
  NamedTensors tensors;
  std::set<std::string> names;
  for (size_t i = 0; i < entries.size(); ++i) {
    std::string name = entries[i].file_name;
    const std::string entry = where + ": " + in_quotes(name);
    if (!name.ends_with(kEnding)) fail(ErrorCode::corrupt_data, entry, "needed a name with .npy");
    if (!names.insert(name).second) fail(ErrorCode::corrupt_data, entry, "is there twice");
    const std::string content = read_entry(archive.get(), i, entries[i].bytes, entry);
    name.resize(name.size() - kEnding.size());
    tensors.emplace_back(std::move(name), parse_npy(content, entry));
  }
  return tensors;
}

NamedTensors read_npz(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  return parse_npz({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

void write_npz(const std::filesystem::path& path, const NamedTensors& tensors) {
  if (tensors.empty()) {
    throw Error(ErrorCode::invalid_argument, "write_npz: needed at least one array, found none");
  }
  NamedTensors data;  // and their headers live until zip_close() has read them
  std::vector<std::string> headers;
  std::set<std::string_view> names;
  for (const auto& [name, tensor] : tensors) {
    if (!names.insert(name).second) {
      throw Error(ErrorCode::invalid_argument, "write_npz: " + in_quotes(name) + " is given twice");
    }
    data.emplace_back(name, tensor.contiguous());
    headers.push_back(internal::npy_header(tensor.shape(), tensor.dtype()));
  }
  AtomicFile file(path);
  int code = 0;
  Archive archive(zip_open(file.temporary_path().c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
  if (archive == nullptr) {
    throw Error(ErrorCode::io_failure, "cannot write " + path.string() + ": " + describe(code));
  }
  for (size_t i = 0; i < data.size(); ++i) {
    add_entry(archive.get(), data[i].first, headers[i], data[i].second);
  }
  if (zip_close(archive.get()) != 0) {
    throw Error(ErrorCode::io_failure,
                "cannot write " + path.string() + ": " + zip_strerror(archive.get()));
  }
  (void)archive.release();  // closed
  file.commit();
}

}  // namespace heed
