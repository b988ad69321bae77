#include "heed/kernels/dispatch.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "heed/base/error.h"

namespace heed::kernels {
namespace {

TEST(Dispatch, ReferenceIsAlwaysThereAndFirst) {
  ASSERT_FALSE(available_isas().empty());
  EXPECT_EQ(available_isas().front(), Isa::reference);
}

TEST(Dispatch, PinsWhatTheMachineRunsAndRefusesTheRest) {
  const Isa before = active_isa();
  for (const Isa isa : {Isa::reference, Isa::avx2, Isa::avx512, Isa::neon}) {
    const auto& available = available_isas();
    if (std::find(available.begin(), available.end(), isa) != available.end()) {
      pin_isa(isa);
      EXPECT_EQ(active_isa(), isa);
      for (const KernelInfo& kernel : kernel_table()) EXPECT_EQ(kernel.isa, isa);
    } else {
      EXPECT_THROW(pin_isa(isa), Error);
    }
  }
  pin_isa(before);
}

}  // namespace
}  // namespace heed::kernels
