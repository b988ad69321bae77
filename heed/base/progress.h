#pragma once

#include <cstdint>
#include <functional>

namespace heed {

/// Called by long work after each item: done of total items (total 0 if not known). The caller
/// draws.
using Progress = std::function<void(int64_t done, int64_t total)>;

}  // namespace heed
