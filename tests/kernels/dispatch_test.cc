#include "heed/kernels/dispatch.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "heed/base/error.h"
#include "heed/kernels/amx.h"
#include "heed/kernels/bf16_dots.h"

namespace heed::kernels {
namespace {

TEST(Dispatch, ReferenceIsAlwaysThereAndFirst) {
  ASSERT_FALSE(available_isas().empty());
  EXPECT_EQ(available_isas().front(), Isa::reference);
}

TEST(Dispatch, PinsWhatTheMachineRunsAndRefusesTheRest) {
  const Isa before = active_isa();
  internal::emulate_tiles(false);
  internal::emulate_dots(false);
  for (const Isa isa :
       {Isa::reference, Isa::avx2, Isa::avx512, Isa::avx512_bf16, Isa::amx, Isa::neon}) {
    const auto& available = available_isas();
    if (std::find(available.begin(), available.end(), isa) != available.end()) {
      pin_isa(isa);
      EXPECT_EQ(active_isa(), isa);
      for (const KernelInfo& kernel : kernel_table()) {
        const bool own = !multiplies_pairs(isa) || kernel.op == "attention bf16";
        EXPECT_EQ(kernel.isa, own ? isa : Isa::avx512) << kernel.op;
      }
    } else {
      EXPECT_THROW(pin_isa(isa), Error);
    }
  }
  pin_isa(before);
}

TEST(Dispatch, DotProductsOfPairsComeLastWhereTheyPayAndBeforeAvx512WhereNot) {
  const auto& isas = available_isas();
  const auto dots = std::find(isas.begin(), isas.end(), Isa::avx512_bf16);
  if (dots == isas.end()) GTEST_SKIP() << "the processor has none";
  const auto vectors = std::find(isas.begin(), isas.end(), Isa::avx512);
  ASSERT_NE(vectors, isas.end());
  EXPECT_EQ(vectors < dots, bf16_dots_pay());
  const Isa before = active_isa();
  pin_isa(Isa::avx512_bf16);
  for (const KernelInfo& kernel : kernel_table()) {
    if (kernel.op != "attention bf16") continue;
    EXPECT_EQ(kernel.source, "kernels/cpu/attention_bf16.cc");
  }
  pin_isa(before);
}

}  // namespace
}  // namespace heed::kernels
