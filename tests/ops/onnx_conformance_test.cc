#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "heed/ops/attention.h"
#include "tests/kernels/every_isa.h"
#include "tests/ops/onnx_case.h"
#include "tests/support.h"

namespace heed::testing {
namespace {

// What the operator does not do yet; the test fails when this list and the cases part ways.
bool beyond_operator(const OnnxCase& onnx) {
  return onnx.attribute("softcap", 0) != 0 || onnx.inputs[0].dtype() == DType::f16;
}

/// [B, T, H * D] as [B, H, T, D]; what has four dimensions stays.
Tensor split_heads(const Tensor& x, const OnnxCase& onnx, const char* heads) {
  if (x.rank() == 4) return x;
  const auto h = static_cast<int64_t>(onnx.attribute(heads, 0));
  return x.reshape({x.size(0), x.size(1), h, x.size(2) / h}).transpose(1, 2);
}

/// past [B, G, P, D] then x [B, G, S, D] along the tokens.
Tensor append(const Tensor& past, const Tensor& x) {
  if (!past.defined()) return x.contiguous();
  const Tensor all = Tensor::empty({x.size(0), x.size(1), past.size(2) + x.size(2), x.size(3)});
  for (int64_t b = 0; b < x.size(0); ++b) {
    for (int64_t h = 0; h < x.size(1); ++h) {
      float* to = &all.at({b, h, 0, 0});
      const Tensor old = past.select(0, b).select(0, h).contiguous();
      const Tensor added = x.select(0, b).select(0, h).contiguous();
      to = std::copy_n(old.data<float>(), old.numel(), to);
      std::copy_n(added.data<float>(), added.numel(), to);
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
                                           : Mask::additive(pad_mask(given, keys));
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
  const Tensor x = found.contiguous();
  for (int64_t i = 0; i < x.numel(); ++i) {
    const float a = x.data<float>()[i];
    const float b = wanted.data<float>()[i];
    if (a == b) continue;  // infinities too
    EXPECT_NEAR(a, b, 1e-7F + 1e-3F * std::abs(b)) << what << " element " << i;
  }
}

void expect_conforms(const OnnxCase& onnx) {
  const Tensor q = split_heads(onnx.inputs[0], onnx, "q_num_heads");
  const Tensor k =
      append(OnnxCase::at(onnx.inputs, 4), split_heads(onnx.inputs[1], onnx, "kv_num_heads"));
  const Tensor v =
      append(OnnxCase::at(onnx.inputs, 5), split_heads(onnx.inputs[2], onnx, "kv_num_heads"));
  AttentionOptions options{.mask = mask_of(onnx, q.size(2), k.size(2))};
  if (const double scale = onnx.attribute("scale", 0); scale != 0) {
    options.scale = static_cast<float>(scale);
  }
  const AttentionOutputs out =
      attention_outputs(q, k, v, options, {.weights = true, .scores = true});
  expect_close(
      onnx.outputs[0].rank() == 4 ? out.y : out.y.transpose(1, 2).reshape(onnx.outputs[0].shape()),
      onnx.outputs[0], "y");
  if (const Tensor wanted = OnnxCase::at(onnx.outputs, 3); wanted.defined()) {
    // 0 and 1: before the mask (1 after softcap, which is absent here); 2: masked; 3: the weights.
    const double mode = onnx.attribute("qk_matmul_output_mode", 0);
    const AttentionOptions open{.scale = options.scale};
    expect_close(mode == 3   ? out.weights
                 : mode == 2 ? out.scores
                             : attention_outputs(q, k, v, open, {.scores = true}).scores,
                 wanted, "qk_matmul_output");
  }
}

TEST(OnnxConformance, Attention) {
  const auto data = data_folder();
  HEED_NEED_DATA(data);
  int done = 0;
  std::set<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(data / "conformance" / "onnx")) {
    const std::string name = entry.path().filename();
    if (name.rfind("test_attention", 0) != 0) continue;
    const OnnxCase onnx = read_onnx_case(entry.path());
    if (beyond_operator(onnx)) {
      left.insert(name);
      continue;
    }
    SCOPED_TRACE(name);
    kernels::on_every_isa([&](kernels::Isa) { expect_conforms(onnx); });
    ++done;
  }
  // Softcap and f16 inputs.
  const std::set<std::string> expected{"test_attention_24_qk_matmul_output_mode3_softmax_precision",
                                       "test_attention_3d_diff_heads_sizes_softcap",
                                       "test_attention_3d_gqa_softcap",
                                       "test_attention_3d_softcap",
                                       "test_attention_3d_with_past_and_present_qk_matmul_softcap",
                                       "test_attention_4d_diff_heads_sizes_softcap",
                                       "test_attention_4d_fp16",
                                       "test_attention_4d_gqa_causal_nonpad_decode_fp16",
                                       "test_attention_4d_gqa_softcap",
                                       "test_attention_4d_gqa_with_past_and_present_fp16",
                                       "test_attention_4d_softcap",
                                       "test_attention_4d_softcap_neginf_mask",
                                       "test_attention_4d_softcap_neginf_mask_poison",
                                       "test_attention_4d_with_qk_matmul_softcap"};
  EXPECT_EQ(left, expected);
  EXPECT_EQ(done + static_cast<int>(left.size()), 76);
}

}  // namespace
}  // namespace heed::testing
