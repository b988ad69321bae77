#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "heed/train/config.h"

namespace heed::internal {

/// Sets a field from a scalar's text (one value) or a list's items. Error as set_field's.
void set_value(TrainConfig& config, std::string_view name, const std::vector<std::string>& value,
               bool is_list);

}  // namespace heed::internal
