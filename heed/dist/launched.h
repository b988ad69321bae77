#pragma once

#include <memory>

#include "heed/dist/group.h"

namespace heed::internal {

/// The group of the processes that a launcher started, of which this is one. mpi.cc, or its stub
/// twin, which refuses.
std::unique_ptr<Group> make_launched_group();

}  // namespace heed::internal
