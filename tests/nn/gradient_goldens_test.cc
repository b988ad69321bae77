#include <gtest/gtest.h>

#include "heed/autograd/tape.h"
#include "heed/nn/decoder_layer.h"
#include "heed/nn/parameter_store.h"
#include "heed/ops/linear.h"
#include "heed/ops/normalization.h"
#include "heed/ops/recurrent.h"
#include "heed/ops/reduce.h"
#include "tests/golden.h"

// Layers' gradients against PyTorch's in f64 (tools/make_gradient_goldens.py).

namespace heed {
namespace {

using testing::Golden;

/// A case of gradients.safetensors: its weights as parameters, its inputs as leaves.
class Case {
 public:
  explicit Case(const std::string& name)
      : name_(name), golden_("gradients.safetensors"), store_(weights()) {}

  Params params() const { return store_.params(); }
  Tensor parameter(const std::string& name) const { return store_[name]; }
  Json facts() const { return golden_.metadata("cases")[name_]; }
  Tensor input(const std::string& key) {
    return inputs_[key] = leaf(golden_[name_ + "/inputs/" + key]);
  }

  /// y and every gradient; each within twice the L2 distance of PyTorch's own f32.
  void check(const Tensor& y) {
    const Tensor expected = golden_[name_ + "/y"];
    ASSERT_EQ(to_string(y.shape()), to_string(expected.shape()));
    const Tensor r = golden_[name_ + "/r"];
    for (int64_t i = 0; i < r.numel(); ++i) {  // where r is 0, as at padded places, y is free
      if (r.data<float>()[i] == 0) continue;
      ASSERT_NEAR(y.contiguous().data<float>()[i], expected.data<float>()[i], 1e-5) << name_;
    }
    backward(y, r);
    for (const auto& [key, weight] : store_.trained()) check_gradient(key, weight);
    for (const auto& [key, input] : inputs_) check_gradient(key, input);
  }

 private:
  std::map<std::string, Tensor> weights() const {
    const std::string prefix = name_ + "/weights/";
    std::map<std::string, Tensor> found;
    for (const std::string& name : golden_.names()) {
      if (name.starts_with(prefix)) found[name.substr(prefix.size())] = golden_[name];
    }
    return found;
  }

  void check_gradient(const std::string& key, const Tensor& x) const {
    const std::string where = name_ + "/gradients/" + key;
    const Tensor exact = golden_[where];
    ASSERT_TRUE(gradient(x).defined()) << where;
    const double error = golden_.metadata("errors")[name_ + "/" + key];
    EXPECT_LE(testing::l2_distance(gradient(x), exact),
              2 * error + testing::kStored * testing::l2_norm(exact))
        << where;
  }

  std::string name_;
  Golden golden_;
  ParameterStore store_;
  std::map<std::string, Tensor> inputs_;
};

TransformerLayerConfig config_of(const Json& facts) {
  return {.width = 12,
          .heads = 3,
          .feed_forward = 10,
          .activation = activation_from_name(facts["activation"].get<std::string>()),
          .norm_first = facts["norm_first"]};
}

TEST(Gradients, OfEncoderAndDecoderLayers) {
  for (const std::string kind : {"post", "pre"}) {
    Case encoder("encoder_" + kind);
    const Mask padding = Mask::padding(encoder.facts()["lengths"].get<std::vector<int64_t>>());
    const EncoderLayer encode(encoder.params(), config_of(encoder.facts()));
    encoder.check(encode(encoder.input("x"), padding));
    Case decoder("decoder_" + kind);
    const DecoderLayer decode(decoder.params(), config_of(decoder.facts()));
    decoder.check(decode(decoder.input("x"), decoder.input("memory"), Mask::causal(Align::top_left),
                         padding));
  }
}

TEST(Gradients, OfAttentionWithSeparateWidthsAndExtraKeys) {
  Case widths("attention_widths");
  const MultiHeadAttention separate(
      AttentionWeights::from_torch(widths.params(),
                                   {.width = 12, .key_width = 7, .value_width = 9}),
      3, AttentionInputs::separate);
  widths.check(
      separate.with_weights(widths.input("query"), widths.input("key"), widths.input("value")).y);
  Case extra("attention_extra");
  AttentionWeights weights = AttentionWeights::from_torch(extra.params(), {.width = 12});
  weights.zero_key = true;
  const MultiHeadAttention more(weights, 3, AttentionInputs::separate);
  extra.check(more.with_weights(extra.input("query"), extra.input("key"), extra.input("value")).y);
}

TEST(Gradients, OfAnLstmAndAGru) {
  for (const std::string kind : {"lstm", "gru"}) {
    Case cells(kind);
    const Tensor x = cells.input("x");  // [B, T, I]
    const auto weight = [&](const char* name) {
      return cells.parameter(name + std::string("_l0"));
    };
    const Tensor from_x = linear(x, weight("weight_ih"), weight("bias_ih"));  // [B, T, 4 H or 3 H]
    Tensor h = Tensor::zeros({x.size(0), 6}), c = Tensor::zeros({x.size(0), 6});
    std::vector<Tensor> states;
    for (int64_t t = 0; t < x.size(1); ++t) {
      const Tensor from_h = linear(h, weight("weight_hh"), weight("bias_hh"));
      if (kind == "lstm") {
        const LstmState next = lstm_cell(add(from_x.select(1, t), from_h), c);
        h = next.h;
        c = next.c;
      } else {
        h = gru_cell(from_x.select(1, t), from_h, h);
      }
      states.push_back(h.unsqueeze(1));
    }
    cells.check(concatenate(states, 1));
  }
}

TEST(Gradients, OfAdditiveAttention) {
  Case additive("additive");
  const Tensor q = additive.input("q"), k = additive.input("k");  // [B, Q], [B, S, K]
  const auto weight = [&](const char* name) { return additive.parameter(name); };
  const Tensor from_q = linear(q, weight("query.weight"), Tensor()).unsqueeze(1);  // [B, 1, W]
  const Tensor from_k = linear(k, weight("key.weight"), weight("key.bias"));       // [B, S, W]
  const Tensor joined = activate(add(from_q, from_k), Activation::tanh);           // [B, S, W]
  const Tensor scores = linear(joined, weight("score.weight"), Tensor());          // [B, S, 1]
  const Tensor weights = softmax(scores.transpose(1, 2));                          // [B, 1, S]
  additive.check(sum(multiply(weights.transpose(1, 2), k), 1));                    // [B, K]
}

}  // namespace
}  // namespace heed
