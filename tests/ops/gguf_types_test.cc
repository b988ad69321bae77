// A file of every kind as the Python package gguf writes it (tools/make_gguf_goldens.py).

#include <gtest/gtest.h>

#include "heed/io/gguf.h"
#include "heed/ops/blocks.h"
#include "tests/golden.h"

namespace heed {
namespace {

using testing::expect_same_bits;
using testing::Golden;
using testing::golden_folder;

TEST(GgufTypes, EveryKindHasThePackagesNumbers) {
  const Gguf file = Gguf::open(golden_folder() / "gguf/types.gguf");
  const Golden expected("gguf/types.safetensors");
  EXPECT_EQ(file.tensors().size(), 11);
  for (const auto& [name, tensor] : file.tensors()) {
    expect_same_bits(dequantize(file.matrix(name)), expected[name], name);
  }
}

}  // namespace
}  // namespace heed
