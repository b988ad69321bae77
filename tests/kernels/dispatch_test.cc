#include "heed/kernels/dispatch.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "heed/base/error.h"
#include "heed/kernels/amx.h"

namespace heed::kernels {
namespace {

TEST(Dispatch, ReferenceIsAlwaysThereAndFirst) {
  ASSERT_FALSE(available_isas().empty());
  EXPECT_EQ(available_isas().front(), Isa::reference);
}

TEST(Dispatch, PinsWhatTheMachineRunsAndRefusesTheRest) {
  const Isa before = active_isa();
  internal::emulate_tiles(false);
  for (const Isa isa : {Isa::reference, Isa::avx2, Isa::avx512, Isa::amx, Isa::neon}) {
    const auto& available = available_isas();
    if (std::find(available.begin(), available.end(), isa) != available.end()) {
      pin_isa(isa);
      EXPECT_EQ(active_isa(), isa);
      for (const KernelInfo& kernel : kernel_table()) {
        const bool tiles = isa != Isa::amx || kernel.op == "attention bf16";
        EXPECT_EQ(kernel.isa, tiles ? isa : Isa::avx512) << kernel.op;
      }
    } else {
      EXPECT_THROW(pin_isa(isa), Error);
    }
  }
  pin_isa(before);
}

}  // namespace
}  // namespace heed::kernels
