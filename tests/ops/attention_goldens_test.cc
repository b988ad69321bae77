#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "heed/ops/attention_backward.h"
#include "tests/golden.h"
#include "tests/kernels/every_isa.h"

// What PyTorch and Hugging Face compute for each option of attention
// (tools/make_attention_goldens.py).

namespace heed::testing {
namespace {

/// The options that a case of the golden names, with the case's own tensors.
class Options {
 public:
  Options(const Golden& golden, const Json& entry) : golden_(golden), entry_(entry) {}

  AttentionOptions read() const {
    AttentionOptions options{.softcap = entry_.value("softcap", 0.0F), .mask = mask()};
    if (entry_.contains("scale")) options.scale = entry_["scale"].get<float>();
    options.alibi = tensor("alibi");
    if (entry_.contains("alibi_values")) {
      const auto values = entry_["alibi_values"].get<std::vector<float>>();
      options.alibi = Tensor::from(values, {static_cast<int64_t>(values.size())});
    }
    options.sinks = tensor("sinks");
    if (entry_.contains("relative")) {
      const Json& relative = entry_["relative"];
      options.relative = {own(relative["table"]), relative["bidirectional"].get<bool>(),
                          relative["max_distance"].get<int64_t>()};
    }
    return options;
  }

 private:
  Tensor own(const Json& name) const {
    return golden_[entry_["name"].get<std::string>() + "." + name.get<std::string>()];
  }
  Tensor tensor(const std::string& option) const {
    return entry_.contains(option) ? own(entry_[option]) : Tensor();
  }
  Mask mask() const {
    Mask mask;
    if (entry_.value("causal", "") == "top-left") mask = Mask::causal(Align::top_left);
    if (entry_.value("causal", "") == "bottom-right") mask = Mask::causal(Align::bottom_right);
    if (entry_.contains("window")) {
      const auto side = [&](size_t i) {
        const auto keys = entry_["window"][i].get<int64_t>();
        return keys < 0 ? Mask::kOpen : keys;
      };
      mask = mask & Mask::window(side(0), side(1));
    }
    if (const Tensor lengths = tensor("lengths"); lengths.defined()) {
      const auto all = lengths.span<int64_t>();
      mask = mask & Mask::padding({all.begin(), all.end()});
    }
    if (const Tensor visible = tensor("mask"); visible.defined()) {
      mask = mask & Mask::boolean(visible);
    }
    if (const Tensor bias = tensor("bias"); bias.defined()) mask = mask & Mask::additive(bias);
    return mask;
  }

  const Golden& golden_;
  const Json& entry_;
};

/// Both sides compute in f32, where outputs of about 1 are off by some 5e-7; the half precisions
/// round their inputs and their result, PyTorch's perhaps the weights too.
double tolerance(const std::string& dtype) {
  return dtype == "bfloat16" ? 2e-2 : dtype == "float16" ? 3e-3 : 3e-6;
}

TEST(AttentionGoldens, EveryCase) {
  const Golden golden("attention.safetensors");
  const Json cases = golden.metadata("cases");
  EXPECT_GE(cases.size(), 21U);
  for (const Json& entry : cases) {
    const auto name = entry["name"].get<std::string>();
    const auto dtype_name = entry["dtype"].get<std::string>();
    const DType dtype = dtype_name == "bfloat16"  ? DType::bf16
                        : dtype_name == "float16" ? DType::f16
                                                  : DType::f32;
    const AttentionOptions options = Options(golden, entry).read();
    kernels::on_every_isa([&](kernels::Isa) {
      const AttentionOutputs out =
          attention_outputs(golden["q"].to(dtype), golden["k"].to(dtype), golden["v"].to(dtype),
                            options, {.lse = true, .weights = true});
      const auto expect = [&](const char* result, const Tensor& found) {
        const Tensor wanted = golden.maybe(name + "." + result);
        if (!wanted.defined()) return;
        expect_close(found.to(DType::f32), wanted.to(DType::f32), tolerance(dtype_name),
                     name + " " + result);
      };
      expect("y", out.y);
      expect("lse", out.lse);
      expect("weights", out.weights);
    });
  }
}

TEST(AttentionGoldens, GradientsOfEveryCase) {
  const Golden golden("attention.safetensors");
  for (const Json& entry : golden.metadata("cases")) {
    const auto name = entry["name"].get<std::string>();
    if (entry["dtype"].get<std::string>() != "float32") continue;
    const AttentionOptions options = Options(golden, entry).read();
    const auto wanted = [&](const char* result) { return golden.maybe(name + "." + result); };
    kernels::on_every_isa([&](kernels::Isa) {
      const Tensor &q = golden["q"], &k = golden["k"], &v = golden["v"];
      const AttentionOutputs out = attention_outputs(q, k, v, options, {.lse = true});
      const AttentionGradients found =
          attention_backward(q, k, v, options, out.y, out.lse, golden["dy"],
                             {.bias = wanted("dbias").defined(),
                              .alibi = wanted("dalibi").defined(),
                              .t5_table = wanted("dtable").defined(),
                              .sinks = wanted("dsinks").defined()});
      const auto expect = [&](const char* result, const Tensor& gradient) {
        // Sums of up to T S products of about 1, on both sides in f32.
        if (wanted(result).defined()) {
          expect_close(gradient, wanted(result), 2e-5, name + " " + result);
        }
      };
      expect("dq", found.dq);
      expect("dk", found.dk);
      expect("dv", found.dv);
      expect("dbias", found.dbias.empty() ? Tensor() : found.dbias.front());
      expect("dalibi", found.dalibi);
      expect("dtable", found.dt5_table);
      expect("dsinks", found.dsinks);
    });
  }
}

TEST(AttentionGoldens, BucketsOfEveryDistance) {
  const Golden golden("attention.safetensors");
  for (const Json& table : golden.metadata("buckets")) {
    const Tensor buckets = golden[table["name"].get<std::string>()];
    for (int64_t i = 0; i < buckets.numel(); ++i) {
      const int64_t distance = i - 600;
      EXPECT_EQ(RelativeBuckets::bucket(distance, table["buckets"].get<int64_t>(),
                                        table["bidirectional"].get<bool>(),
                                        table["max_distance"].get<int64_t>()),
                buckets.data<int8_t>()[i])
          << distance << " of " << table.dump();
    }
  }
}

}  // namespace
}  // namespace heed::testing
