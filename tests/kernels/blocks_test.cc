#include "heed/kernels/blocks.h"

#include <cmath>

#include "tests/kernels/block_rows.h"
#include "tests/kernels/every_isa.h"

namespace heed::kernels {
namespace {

std::vector<int64_t> column_counts(BlockKind kind) {
  if (block_size(kind) == 1) return {0, 1, 7, 31, 32, 33, 64, 100, 1024, 1057};
  std::vector<int64_t> counts;
  for (const int64_t blocks : {0, 1, 2, 3, 5, 9, 33}) counts.push_back(blocks * block_size(kind));
  return counts;
}

TEST(Blocks, EveryIsaUnpacksToTheReferencesBits) {
  on_every_isa([](Isa) {
    for (const BlockKind kind : kEveryKind) {
      for (const int64_t columns : column_counts(kind)) {
        const RandomRows random(kind, 5, columns);
        const auto count = static_cast<size_t>(3 * (columns + 3));
        std::vector<float> expected(count, -7.0F), found(count, -7.0F);
        ref::dequantize(random.rows, 1, 3, expected.data(), columns + 3);
        dequantize(random.rows, 1, 3, found.data(), columns + 3);
        ASSERT_EQ(std::memcmp(expected.data(), found.data(), count * sizeof(float)), 0)
            << to_string(kind) << ", " << columns << " columns";
      }
    }
  });
}

TEST(Blocks, ByHand) {
  // d = 0.5, m = 2; the first byte's halves are numbers 0 and 16
  std::byte block[20] = {};
  store_element(Element::f16, 0.5F, block);
  store_element(Element::f16, 2.0F, block + 2);
  block[4] = std::byte{0xf3};
  float w[32];
  dequantize({BlockKind::q4_1, block, 20, 32}, 0, 1, w, 32);
  EXPECT_EQ(w[0], 3.5F);
  EXPECT_EQ(w[1], 2.0F);
  EXPECT_EQ(w[16], 9.5F);
}

TEST(Blocks, QuantizedNumbersAreNear) {
  // half a step of the block's range, and what rounding d to f16 moves the farthest number
  const std::vector<float> x = random_floats(320, 5, 3.0F);
  const std::pair<BlockKind, float> steps[] = {
      {BlockKind::q4_0, 1.0F / 8}, {BlockKind::q4_1, 1.0F / 15}, {BlockKind::q8_0, 0.5F / 127}};
  for (const auto& [kind, step] : steps) {
    std::vector<std::byte> bytes(static_cast<size_t>(block_row_bytes(kind, 320)));
    quantize(kind, x.data(), 320, bytes.data());
    std::vector<float> w(320);
    dequantize({kind, bytes.data(), int64_t(bytes.size()), 320}, 0, 1, w.data(), 320);
    for (size_t i = 0; i < w.size(); ++i) {
      ASSERT_NEAR(w[i], x[i], 3.0F * (step + 0x1p-10F)) << to_string(kind) << " at " << i;
    }
  }
}

TEST(Blocks, PlainNumbersAreRoundedOnce) {
  const std::vector<float> x = random_floats(37, 6);
  for (const BlockKind kind : {BlockKind::f32, BlockKind::f16, BlockKind::bf16}) {
    std::vector<std::byte> bytes(static_cast<size_t>(block_row_bytes(kind, 37)));
    quantize(kind, x.data(), 37, bytes.data());
    std::vector<float> w(37), again(37);
    const BlockRows rows{kind, bytes.data(), int64_t(bytes.size()), 37};
    dequantize(rows, 0, 1, w.data(), 37);
    std::vector<std::byte> same(bytes.size());
    quantize(kind, w.data(), 37, same.data());
    EXPECT_EQ(bytes, same);
    const float eps = kind == BlockKind::f32 ? 0.0F : kind == BlockKind::f16 ? 0x1p-11F : 0x1p-8F;
    for (size_t i = 0; i < w.size(); ++i) EXPECT_NEAR(w[i], x[i], eps);
  }
}

TEST(Blocks, WhatIsNotANumberQuantizesToSomething) {
  std::vector<float> x(32, 1.0F);
  x[3] = NAN;
  x[5] = INFINITY;
  x[7] = -INFINITY;
  for (const BlockKind kind : {BlockKind::q4_0, BlockKind::q4_1, BlockKind::q8_0}) {
    std::vector<std::byte> bytes(static_cast<size_t>(block_bytes(kind)));
    quantize(kind, x.data(), 32, bytes.data());
  }
  const std::vector<float> zeros(32, 0.0F);
  for (const BlockKind kind : {BlockKind::q4_0, BlockKind::q4_1, BlockKind::q8_0}) {
    std::vector<std::byte> bytes(static_cast<size_t>(block_bytes(kind)));
    quantize(kind, zeros.data(), 32, bytes.data());
    std::vector<float> w(32, 1.0F);
    dequantize({kind, bytes.data(), block_bytes(kind), 32}, 0, 1, w.data(), 32);
    EXPECT_EQ(w, zeros);
  }
}

}  // namespace
}  // namespace heed::kernels
