#include <algorithm>
#include <cstring>
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
using Named = NamedTensors::value_type;

int64_t bytes_of(const Tensor& tensor) { return tensor.numel() * size_of(tensor.dtype()); }

/// Pointers to the tensors, wider elements first.
std::vector<const Named*> in_file_order(const NamedTensors& tensors) {
  std::vector<const Named*> order;
  for (const Named& named : tensors) order.push_back(&named);
  std::stable_sort(order.begin(), order.end(), [](const Named* a, const Named* b) {
    return size_of(a->second.dtype()) > size_of(b->second.dtype());
  });
  return order;
}

void check(const NamedTensors& tensors) {
  std::set<std::string_view> names;
  for (const auto& [name, tensor] : tensors) {
    const auto fail = [&, n = name](const char* found) {
      throw Error(ErrorCode::invalid_argument,
                  "write_safetensors: tensor " + in_quotes(n) + " " + found);
    };
    if (!tensor.defined()) fail("is undefined");
    if (name == "__metadata__") fail("has the name the format keeps for itself");
    if (!names.insert(name).second) fail("is given twice");
  }
}

std::string header_of(const std::vector<const Named*>& order,
                      const std::map<std::string, std::string>& metadata) {
  OrderedJson header = OrderedJson::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  int64_t offset = 0;
  for (const Named* named : order) {
    const Tensor& tensor = named->second;
    const int64_t end = offset + bytes_of(tensor);
    header[named->first] = {
        {"dtype", internal::format_name(tensor.dtype())},
        {"shape", std::vector<int64_t>(tensor.shape().begin(), tensor.shape().end())},
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
  check(tensors);
  const std::vector<const Named*> order = in_file_order(tensors);
  const std::string header = header_of(order, metadata);
  const uint64_t length = header.size();
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const Named* named : order) {
    const Tensor tensor = named->second.contiguous();
    file.write(
        std::span<const std::byte>(tensor.raw_data(), static_cast<size_t>(bytes_of(tensor))));
  }
  file.commit();
}

}  // namespace heed
