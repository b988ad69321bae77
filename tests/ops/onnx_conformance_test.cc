#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "heed/ops/attention.h"
#include "heed/ops/normalization.h"
#include "heed/ops/rotary.h"
#include "tests/kernels/every_isa.h"
#include "tests/ops/onnx_case.h"
#include "tests/support.h"

namespace heed::testing {
namespace {

/// [B, T, H * D] as [B, H, T, D]; what has four dimensions stays.
Tensor split_heads(const Tensor& x, const OnnxCase& onnx, const char* heads) {
  if (x.rank() == 4) return x;
  const auto h = static_cast<int64_t>(onnx.attribute(heads, 0));
  return x.reshape({x.size(0), x.size(1), h, x.size(2) / h}).transpose(1, 2);
}

/// past [B, G, P, D] then x [B, G, S, D] along the tokens.
Tensor append(const Tensor& past, const Tensor& x) {
  if (!past.defined()) return x.contiguous();
  const int64_t tokens = past.size(2) + x.size(2);
  const Tensor all = Tensor::empty({x.size(0), x.size(1), tokens, x.size(3)}, x.dtype());
  std::byte* to = all.raw_data();
  for (int64_t b = 0; b < x.size(0); ++b) {
    for (int64_t h = 0; h < x.size(1); ++h) {
      for (const Tensor& from : {past, x}) {
        const Tensor rows = from.select(0, b).select(0, h).contiguous();
        to = std::copy_n(rows.raw_data(), rows.numel() * size_of(rows.dtype()), to);
      }
    }
  }
  return all;
}

/// A mask with fewer columns than keys hides the rest.
Tensor pad_mask(const Tensor& mask, int64_t keys) {
  if (mask.size(-1) == keys) return mask;
  Shape shape = mask.shape();
  const int64_t given = shape[-1];
  shape[-1] = keys;
  const Tensor padded = Tensor::full(shape, -std::numeric_limits<float>::infinity());
  const Tensor from = mask.contiguous();
  for (int64_t row = 0; row < from.numel() / given; ++row) {
    std::copy_n(from.data<float>() + row * given, given, padded.data<float>() + row * keys);
  }
  return padded;
}

Mask mask_of(const OnnxCase& onnx, int64_t queries, int64_t keys) {
  Mask mask;
  if (const Tensor given = OnnxCase::at(onnx.inputs, 3); given.defined()) {
    mask = given.dtype() == DType::boolean ? Mask::boolean(given)
                                           : Mask::additive(pad_mask(given.to(DType::f32), keys));
  }
  const Tensor past = OnnxCase::at(onnx.inputs, 4);
  std::vector<int64_t> offsets{past.defined() ? past.size(2) : 0};
  if (const Tensor lengths = OnnxCase::at(onnx.inputs, 6); lengths.defined()) {
    const auto span = lengths.span<int64_t>();
    const std::vector<int64_t> visible(span.begin(), span.end());
    mask = mask & Mask::padding(visible);
    offsets = visible;
    for (int64_t& offset : offsets) offset -= queries;
  }
  if (onnx.attribute("is_causal", 0) != 0) mask = mask & Mask::causal(offsets);
  return mask;
}

// The suite's own tolerances.
void expect_close(const Tensor& found, const Tensor& wanted, const char* what) {
  ASSERT_EQ(found.shape(), wanted.shape()) << what;
  const Tensor x = found.to(DType::f32).contiguous();
  const Tensor y = wanted.to(DType::f32);
  for (int64_t i = 0; i < x.numel(); ++i) {
    const float a = x.data<float>()[i];
    const float b = y.data<float>()[i];
    if (a == b) continue;  // infinities too
    EXPECT_NEAR(a, b, 1e-7F + 1e-3F * std::abs(b)) << what << " element " << i;
  }
}

/// What qk_matmul_output_mode asks for: 0 scaled products, 1 after the softcap, 2 after the mask
/// too, 3 the weights.
Tensor pairs_of(const OnnxCase& onnx, const Tensor& q, const Tensor& k, const Tensor& v,
                const AttentionOptions& options) {
  const double mode = onnx.attribute("qk_matmul_output_mode", 0);
  if (mode == 3) return attention_outputs(q, k, v, options, {.weights = true}).weights;
  AttentionOptions some = options;
  if (mode != 2) some.mask = {};
  if (mode == 0) some.softcap = 0;
  return attention_outputs(q, k, v, some, {.scores = true}).scores;
}

void expect_attention(const OnnxCase& onnx) {
  const Tensor q = split_heads(onnx.inputs[0], onnx, "q_num_heads");
  const Tensor k =
      append(OnnxCase::at(onnx.inputs, 4), split_heads(onnx.inputs[1], onnx, "kv_num_heads"));
  const Tensor v =
      append(OnnxCase::at(onnx.inputs, 5), split_heads(onnx.inputs[2], onnx, "kv_num_heads"));
  AttentionOptions options{.softcap = static_cast<float>(onnx.attribute("softcap", 0)),
                           .mask = mask_of(onnx, q.size(2), k.size(2))};
  if (const double scale = onnx.attribute("scale", 0); scale != 0) {
    options.scale = static_cast<float>(scale);
  }
  const Tensor y = attention(q, k, v, options);
  EXPECT_EQ(y.dtype(), onnx.outputs[0].dtype());
  expect_close(onnx.outputs[0].rank() == 4 ? y : y.transpose(1, 2).reshape(onnx.outputs[0].shape()),
               onnx.outputs[0], "y");
  if (const Tensor wanted = OnnxCase::at(onnx.outputs, 1); wanted.defined()) {
    expect_close(k, wanted, "present_key");
  }
  if (const Tensor wanted = OnnxCase::at(onnx.outputs, 2); wanted.defined()) {
    expect_close(v, wanted, "present_value");
  }
  if (const Tensor wanted = OnnxCase::at(onnx.outputs, 3); wanted.defined()) {
    expect_close(pairs_of(onnx, q, k, v, options), wanted, "qk_matmul_output");
  }
}

void expect_rotary(const OnnxCase& onnx) {
  const Tensor x = split_heads(onnx.inputs[0], onnx, "num_heads");
  RotaryOptions options;
  if (onnx.attribute("interleaved", 0) != 0) options.pairs = RotaryPairs::interleaved;
  if (const Tensor ids = OnnxCase::at(onnx.inputs, 3); ids.defined()) {
    options.positions = Tensor::empty(ids.shape(), DType::i32);
    std::ranges::copy(ids.span<int64_t>(), options.positions.span<int32_t>().begin());
  }
  const Tensor y = rotary(x, {onnx.inputs[1], onnx.inputs[2]}, options);
  const Tensor& wanted = onnx.outputs[0];
  expect_close(wanted.rank() == 4 ? y : y.transpose(1, 2).reshape(wanted.shape()), wanted, "y");
}

/// Normalizes over the dimensions from axis on; the operator knows the last one alone.
void expect_rms_norm(const OnnxCase& onnx) {
  const Tensor& x = onnx.inputs[0];
  const auto axis = static_cast<int>(onnx.attribute("axis", -1));
  const int first = axis < 0 ? axis + x.rank() : axis;
  int64_t width = 1;
  for (int i = first; i < x.rank(); ++i) width *= x.size(i);
  const Tensor y = rms_norm(x.reshape({-1, width}), onnx.inputs[1].reshape({width}),
                            static_cast<float>(onnx.attribute("epsilon", 1e-5)));
  expect_close(y.reshape(x.shape()), onnx.outputs[0], "y");
}

/// body on every case whose name starts so, on each instruction set; how many there are.
int for_cases(const std::filesystem::path& data, const std::string& start,
              void (*body)(const OnnxCase&)) {
  int done = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data / "conformance" / "onnx")) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(start)) continue;
    SCOPED_TRACE(name);
    const OnnxCase onnx = read_onnx_case(entry.path());
    kernels::on_every_isa([&](kernels::Isa) { body(onnx); });
    ++done;
  }
  return done;
}

TEST(OnnxConformance, Attention) {
  const auto data = data_folder();
  HEED_NEED_DATA(data);
  EXPECT_EQ(for_cases(data, "test_attention", expect_attention), 76);
}

TEST(OnnxConformance, RotaryEmbedding) {
  const auto data = data_folder();
  HEED_NEED_DATA(data);
  EXPECT_EQ(for_cases(data, "test_rotary_embedding", expect_rotary), 8);
}

TEST(OnnxConformance, RmsNormalization) {
  const auto data = data_folder();
  HEED_NEED_DATA(data);
  EXPECT_EQ(for_cases(data, "test_rms_normalization", expect_rms_norm), 19);
}

}  // namespace
}  // namespace heed::testing
