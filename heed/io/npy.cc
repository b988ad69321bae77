#include "heed/io/npy.h"

#include <span>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/io/npy_format.h"

namespace heed {
namespace {

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Tensor parse_npy(std::string_view bytes, std::string_view where) {
  const internal::NpyHeader header = internal::parse_npy_header(bytes, where);
  const std::string_view data = bytes.substr(static_cast<size_t>(header.data_offset_bytes));
  if (static_cast<int64_t>(data.size()) != header.data_bytes) {
    throw Error(ErrorCode::corrupt_data,
                std::string(where) + ": " + std::string(to_string(header.dtype)) + " " +
                    to_string(header.shape) + " needs " + std::to_string(header.data_bytes) +
                    " bytes after the header, found " + std::to_string(data.size()) +
                    (static_cast<int64_t>(data.size()) < header.data_bytes
                         ? ": the file is truncated"
                         : ": a .npy file holds one array"));
  }
  return internal::npy_tensor(header, data);
}

Tensor read_npy(const std::filesystem::path& path) {
  return parse_npy(as_text(MappedFile::open(path)->bytes()), path.string());
}

void write_npy(const std::filesystem::path& path, const Tensor& tensor) {
  const Tensor data = tensor.contiguous();
  AtomicFile file(path);
  file.write(internal::npy_header(data.shape(), data.dtype()));
  file.write(std::span<const std::byte>(data.raw_data(),
                                        static_cast<size_t>(data.numel() * size_of(data.dtype()))));
  file.commit();
}

}  // namespace heed
