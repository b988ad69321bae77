#include "heed/train/together.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/crc32c.h"

namespace heed {
namespace internal {

void agree(Group& group, const std::optional<Error>& error) {
  const double failed = error ? 1 : 0;
  const auto all = group.all_gather(std::span(&failed, 1));
  const auto first = std::ranges::find(all, 1.0);
  if (first == all.end()) return;
  const auto code = static_cast<double>(error ? static_cast<int>(error->code()) : 0);
  const auto codes = group.all_gather(std::span(&code, 1));
  const auto messages = group.gather(error ? error->what() : "");
  group.end_in_order();
  if (!group.is_first()) throw OtherProcessFailed();
  const auto rank = static_cast<size_t>(first - all.begin());
  throw Error(static_cast<ErrorCode>(static_cast<int>(codes[rank])), messages[rank]);
}

}  // namespace internal

void check_same_everywhere(Group& group, const Json& value, const std::string& what) {
  const double sum = crc32c(value.dump(-1, ' ', false, Json::error_handler_t::replace));
  const auto all = group.all_gather(std::span(&sum, 1));
  const auto other = std::ranges::find_if(all, [&](double one) { return one != all.front(); });
  if (other == all.end()) return;
  std::optional<Error> error;
  if (group.is_first()) {
    error.emplace(ErrorCode::invalid_argument,
                  fmt::format("train: process {} of {} found other {} than process 0: give all the "
                              "same command and the same files",
                              other - all.begin(), group.size(), what));
  }
  internal::agree(group, error);
}

}  // namespace heed
