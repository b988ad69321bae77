#include <algorithm>
#include <set>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/io/json.h"
#include "heed/io/safetensors.h"
#include "heed/io/safetensors_format.h"

namespace heed {
namespace {

using OrderedJson = nlohmann::ordered_json;

int64_t bytes_of(const PendingTensor& tensor) {
  return tensor.shape.numel() * size_of(tensor.dtype);
}

[[noreturn]] void fail(const std::string& name, const char* found) {
  throw Error(ErrorCode::invalid_argument,
              "write_safetensors: tensor " + in_quotes(name) + " " + found);
}

/// Pointers to the tensors, wider elements first.
std::vector<const PendingTensor*> in_file_order(const std::vector<PendingTensor>& tensors) {
  std::vector<const PendingTensor*> order;
  for (const PendingTensor& tensor : tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return size_of(a->dtype) > size_of(b->dtype);
  });
  return order;
}

void check(const std::vector<PendingTensor>& tensors) {
  std::set<std::string_view> names;
  for (const PendingTensor& tensor : tensors) {
    if (tensor.name == "__metadata__") {
      fail(tensor.name, "has the name the format keeps for itself");
    }
    if (!names.insert(tensor.name).second) fail(tensor.name, "is given twice");
  }
}

std::string header_of(const std::vector<const PendingTensor*>& order,
                      const std::map<std::string, std::string>& metadata) {
  OrderedJson header = OrderedJson::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  int64_t offset = 0;
  for (const PendingTensor* tensor : order) {
    const int64_t end = offset + bytes_of(*tensor);
    header[tensor->name] = {
        {"dtype", internal::format_name(tensor->dtype)},
        {"shape", std::vector<int64_t>(tensor->shape.begin(), tensor->shape.end())},
        {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const OrderedJson::type_error&) {
    throw Error(ErrorCode::invalid_argument,
                "write_safetensors: names and metadata must be UTF-8, found one that is not");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data begin at a multiple of 8
  if (static_cast<int64_t>(text.size()) > internal::kMaxHeaderBytes) {
    throw Error(ErrorCode::invalid_argument, "write_safetensors: the header would have " +
                                                 std::to_string(text.size()) +
                                                 " bytes, more than readers take");
  }
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<PendingTensor> pending;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.defined()) fail(name, "is undefined");
    pending.push_back({name, tensor.dtype(), tensor.shape(), [&t = tensor] { return t; }});
  }
  stream_safetensors(path, pending, metadata);
}

void stream_safetensors(const std::filesystem::path& path,
                        const std::vector<PendingTensor>& tensors,
                        const std::map<std::string, std::string>& metadata,
                        const Progress& progress) {
  check(tensors);
  const std::vector<const PendingTensor*> order = in_file_order(tensors);
  const std::string header = header_of(order, metadata);
  const uint64_t length = header.size();
  int64_t total = 0;
  for (const PendingTensor& tensor : tensors) total += bytes_of(tensor);
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  int64_t done = 0;
  for (const PendingTensor* pending : order) {
    const Tensor tensor = pending->make().contiguous();
    HEED_ASSERT(tensor.shape() == pending->shape && tensor.dtype() == pending->dtype);
    const int64_t bytes = bytes_of(*pending);
    file.write(std::span<const std::byte>(tensor.raw_data(), static_cast<size_t>(bytes)));
    done += bytes;
    if (progress) progress(done, total);
  }
  file.commit();
}

}  // namespace heed
