// Instead of mpi.cc where Open MPI is not there to build with.

#include <cstdlib>

#include "heed/base/error.h"
#include "heed/dist/launched.h"

namespace heed {
namespace {

int number(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? 0 : std::atoi(text);
}

}  // namespace

namespace internal {

std::unique_ptr<Group> make_launched_group() {
  // srun's processes do not know how many they are, only which one
  if (number("OMPI_COMM_WORLD_SIZE") <= 1 && number("PMIX_RANK") == 0) return single_process();
  throw Error(ErrorCode::unsupported,
              "several processes were started, but this heed was built without MPI and each would "
              "work alone: install libopenmpi-dev and openmpi-bin (./dev setup mpi) and build "
              "again");
}

}  // namespace internal

}  // namespace heed
