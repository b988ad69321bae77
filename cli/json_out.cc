#include "cli/json_out.h"

#include "cli/command.h"

namespace heed::cli {

std::string to_line(const OutJson& value) {
  return value.dump(-1, ' ', false, OutJson::error_handler_t::replace);
}

void print_json(const OutJson& value) { print(to_line(value) + "\n"); }

}  // namespace heed::cli
