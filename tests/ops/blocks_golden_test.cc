#include "heed/ops/blocks.h"
#include "tests/golden.h"

// Against the Python package gguf, to the bit (tools/make_block_goldens.py).

namespace heed {
namespace {

using testing::Golden;

constexpr BlockKind kKinds[] = {BlockKind::bf16, BlockKind::q4_0, BlockKind::q4_1,
                                BlockKind::q5_0, BlockKind::q5_1, BlockKind::q8_0,
                                BlockKind::q4_k, BlockKind::q5_k, BlockKind::q6_k};

size_t bytes_of(const Tensor& x) { return static_cast<size_t>(x.numel() * size_of(x.dtype())); }

TEST(BlockGoldens, NumbersAreGgufs) {
  const Golden golden("blocks.safetensors");
  for (const BlockKind kind : kKinds) {
    const std::string name(to_string(kind));
    const Tensor blocks = golden[name + "/blocks"], numbers = golden[name + "/numbers"];
    const Tensor found = dequantize({.kind = kind,
                                     .rows = numbers.size(0),
                                     .columns = numbers.size(1),
                                     .data = blocks.raw_data(),
                                     .row_bytes = blocks.size(1)});
    ASSERT_EQ(found.shape(), numbers.shape()) << name;
    EXPECT_EQ(std::memcmp(found.raw_data(), numbers.raw_data(), bytes_of(numbers)), 0) << name;
  }
}

TEST(BlockGoldens, BlocksAreGgufs) {
  const Golden golden("blocks.safetensors");
  const Tensor x = golden["x"];
  for (const BlockKind kind :
       {BlockKind::bf16, BlockKind::f16, BlockKind::q4_0, BlockKind::q4_1, BlockKind::q8_0}) {
    const Tensor expected = golden[std::string(to_string(kind)) + "/quantized"];
    const BlockMatrix found = quantize(x, kind);
    ASSERT_EQ(found.rows * found.row_bytes, expected.numel()) << to_string(kind);
    for (int64_t i = 0; i < expected.numel(); ++i) {
      ASSERT_EQ(found.data[i], expected.raw_data()[i])
          << to_string(kind) << ", byte " << i % found.row_bytes << " of row "
          << i / found.row_bytes;
    }
  }
}

}  // namespace
}  // namespace heed
