#include "cli/json_out.h"

#include "cli/command.h"

namespace heed::cli {
namespace {

template <class T>
OutJson nested(const Tensor& array) {
  OutJson out = OutJson::array();
  for (int64_t i = 0; i < array.size(0); ++i) {
    if (array.rank() == 1) {
      out.push_back(array.at<T>({i}));
    } else {
      out.push_back(nested<T>(array.select(0, i)));
    }
  }
  return out;
}

}  // namespace

std::string to_line(const OutJson& value) {
  return value.dump(-1, ' ', false, OutJson::error_handler_t::replace);
}

OutJson nested_json(const Tensor& array) {
  return array.dtype() == DType::i64 ? nested<int64_t>(array) : nested<float>(array);
}

void print_json(const OutJson& value) { print(to_line(value) + "\n"); }

}  // namespace heed::cli
