// Layers' gradients, of every weight and input, against central differences of their formulas in
// f64.

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>

#include "heed/nn/decoder_layer.h"
#include "heed/nn/embedding.h"
#include "heed/nn/gated_decoder_layer.h"
#include "heed/nn/parameter_store.h"
#include "heed/nn/positions.h"
#include "heed/nn/recurrent.h"
#include "heed/nn/rotary_positions.h"
#include "tests/ops/gradient_laws.h"

namespace heed {
namespace {

using testing::activated;
using testing::affine;
using testing::Doubles;
using testing::norm;
using testing::plus;

using Shapes = std::map<std::string, Shape>;
using Named = std::map<std::string, Doubles>;

// A block is some 200 roundings of f32 deep; norms divide by the spread of a few numbers.
constexpr double kTolerance = 2e-5;
constexpr float kEpsilon = 1e-5F;

/// Random weights as parameters, random inputs as leaves.
class Case {
 public:
  Case(const Shapes& weights, const Shapes& inputs) : store_(draw(weights, 0.5F, 1)) {
    for (const auto& [name, x] : draw(inputs, 1.0F, 100)) inputs_[name] = leaf(x);
  }

  Params params() const { return store_.params(); }
  Tensor parameter(const std::string& name) const { return store_[name]; }
  Tensor operator[](const std::string& input) const { return inputs_.at(input); }

  /// law: y from the weights and inputs by name.
  void check(const Tensor& y, const std::function<Doubles(const Named&)>& law) const {
    std::vector<std::string> names;
    std::vector<Tensor> leaves;
    const auto add = [&](const std::string& name, const Tensor& x) {
      names.push_back(name);
      leaves.push_back(x);
    };
    for (const auto& [name, x] : store_.trained()) add(name, x);
    for (const auto& [name, x] : inputs_) add(name, x);
    const auto of_all = [&](const std::vector<Doubles>& values) {
      Named named;
      for (size_t i = 0; i < names.size(); ++i) named[names[i]] = values[i];
      return law(named);
    };
    testing::expect_differences(leaves, y, of_all, kTolerance);
  }

 private:
  static std::map<std::string, Tensor> draw(const Shapes& shapes, float spread, unsigned seed) {
    std::map<std::string, Tensor> tensors;
    for (const auto& [name, shape] : shapes) {
      tensors[name] = testing::random_tensor(shape, seed++, spread);
    }
    return tensors;
  }

  ParameterStore store_;
  std::map<std::string, Tensor> inputs_;
};

// ---- the formulas ----

constexpr size_t kBatch = 2;

/// Part i of n equal ones.
Doubles part(const Doubles& x, size_t i, size_t n) {
  const auto size = ptrdiff_t(x.size() / n), begin = ptrdiff_t(i) * size;
  return {x.begin() + begin, x.begin() + begin + size};
}

/// What is added to the score of query t and key s; -inf hides the key.
using Bias = std::function<double(size_t b, size_t h, size_t t, size_t s)>;

constexpr double kHidden = -INFINITY;
double causal(size_t, size_t, size_t t, size_t s) { return s <= t ? 0 : kHidden; }
/// Keys of the batch's rows are 4 and 2.
double padded(size_t b, size_t, size_t, size_t s) { return s < (b == 0 ? 4U : 2U) ? 0 : kHidden; }
const std::vector<int64_t> kLengths{4, 2};

/// Attention of q [B, T, H D] to keys and values [B, S, G D] -> [B, T, H D].
Doubles attend(const Doubles& q, const Doubles& k, const Doubles& v, size_t heads, size_t kv_heads,
               size_t size, const Bias& bias) {
  const size_t queries = q.size() / (kBatch * heads * size);
  const size_t keys = k.size() / (kBatch * kv_heads * size);
  Doubles y(q.size());
  for (size_t at = 0; at < kBatch * queries * heads; ++at) {
    const size_t h = at % heads, t = at / heads % queries, b = at / heads / queries;
    const auto of_key = [&](size_t s) {
      return ((b * keys + s) * kv_heads + h / (heads / kv_heads)) * size;
    };
    Doubles weights(keys);
    double total = 0;
    for (size_t s = 0; s < keys; ++s) {
      double score = 0;
      for (size_t d = 0; d < size; ++d) score += q[at * size + d] * k[of_key(s) + d];
      weights[s] = std::exp(score / std::sqrt(double(size)) + bias(b, h, t, s));
      total += weights[s];
    }
    for (size_t s = 0; s < keys; ++s) {
      for (size_t d = 0; d < size; ++d) {
        y[at * size + d] += weights[s] / total * v[of_key(s) + d];
      }
    }
  }
  return y;
}

constexpr size_t kWidth = 4, kHeads = 2, kForward = 5;

/// nn.MultiheadAttention's formula under `path`, keys and values from memory.
Doubles multi_head(const Named& in, const std::string& path, const Doubles& x,
                   const Doubles& memory, const Bias& bias) {
  const auto project = [&](size_t i, const Doubles& from) {
    return affine(from, part(in.at(path + "in_proj_weight"), i, 3),
                  part(in.at(path + "in_proj_bias"), i, 3), kWidth);
  };
  const Doubles y = attend(project(0, x), project(1, memory), project(2, memory), kHeads, kHeads,
                           kWidth / kHeads, bias);
  return affine(y, in.at(path + "out_proj.weight"), in.at(path + "out_proj.bias"), kWidth);
}

Doubles feed_forward(const Named& in, const Doubles& x) {
  const Doubles hidden = affine(x, in.at("linear1.weight"), in.at("linear1.bias"), kForward);
  return affine(activated(Activation::gelu, hidden), in.at("linear2.weight"), in.at("linear2.bias"),
                kWidth);
}

/// x and the parts of a block, each of which adds to it, with the norm of that number.
Doubles block(const Named& in, bool norm_first, Doubles x,
              const std::vector<std::function<Doubles(const Doubles&)>>& parts) {
  int number = 0;
  for (const auto& add_to : parts) {
    const std::string name = "norm" + std::to_string(++number);
    const auto normed = [&](const Doubles& z) {
      return norm(z, in.at(name + ".weight"), in.at(name + ".bias"), true, kEpsilon);
    };
    x = norm_first ? plus(x, add_to(normed(x))) : normed(plus(x, add_to(x)));
  }
  return x;
}

/// Of a PyTorch layer with attention under these names.
Shapes block_weights(const std::vector<std::string>& attentions) {
  constexpr int64_t c = kWidth, f = kForward;
  Shapes all{{"linear1.weight", {f, c}},
             {"linear1.bias", {f}},
             {"linear2.weight", {c, f}},
             {"linear2.bias", {c}}};
  for (size_t i = 1; i <= attentions.size() + 1; ++i) {
    all["norm" + std::to_string(i) + ".weight"] = all["norm" + std::to_string(i) + ".bias"] = {c};
  }
  for (const std::string& name : attentions) {
    all[name + ".in_proj_weight"] = {3 * c, c};
    all[name + ".in_proj_bias"] = {3 * c};
    all[name + ".out_proj.weight"] = {c, c};
    all[name + ".out_proj.bias"] = {c};
  }
  return all;
}

TransformerLayerConfig block_config(bool norm_first) {
  return {.width = kWidth,
          .heads = kHeads,
          .feed_forward = kForward,
          .activation = Activation::gelu,
          .epsilon = kEpsilon,
          .norm_first = norm_first};
}

// ---- the layers ----

TEST(LayerDifferences, OfAnEncoderLayer) {
  for (const bool first : {false, true}) {
    const Case layer(block_weights({"self_attn"}), {{"x", {kBatch, 4, kWidth}}});
    layer.check(
        EncoderLayer(layer.params(), block_config(first))(layer["x"], Mask::padding(kLengths)),
        [&](const Named& in) {
          return block(
              in, first, in.at("x"),
              {[&](const Doubles& x) { return multi_head(in, "self_attn.", x, x, padded); },
               [&](const Doubles& x) { return feed_forward(in, x); }});
        });
  }
}

TEST(LayerDifferences, OfADecoderLayer) {
  for (const bool first : {false, true}) {
    const Case layer(block_weights({"self_attn", "multihead_attn"}),
                     {{"x", {kBatch, 3, kWidth}}, {"memory", {kBatch, 4, kWidth}}});
    layer.check(
        DecoderLayer(layer.params(), block_config(first))(
            layer["x"], layer["memory"], Mask::causal(Align::top_left), Mask::padding(kLengths)),
        [&](const Named& in) {
          return block(
              in, first, in.at("x"),
              {[&](const Doubles& x) { return multi_head(in, "self_attn.", x, x, causal); },
               [&](const Doubles& x) {
                 return multi_head(in, "multihead_attn.", x, in.at("memory"), padded);
               },
               [&](const Doubles& x) { return feed_forward(in, x); }});
        });
  }
}

TEST(LayerDifferences, OfAttentionWithExtraKeysAndABiasByDistance) {
  constexpr int64_t c = kWidth;
  constexpr int64_t kBuckets = 6, kFar = 8;
  const Case layer({{"q_proj_weight", {c, c}},
                    {"k_proj_weight", {c, 3}},
                    {"v_proj_weight", {c, 5}},
                    {"in_proj_bias", {3 * c}},
                    {"out_proj.weight", {c, c}},
                    {"out_proj.bias", {c}},
                    {"bias_k", {1, 1, c}},
                    {"bias_v", {1, 1, c}},
                    {"table", {kBuckets, kHeads}}},
                   {{"q", {kBatch, 3, c}},
                    {"k", {kBatch, 4, 3}},
                    {"v", {kBatch, 4, 5}},
                    {"added", {kHeads, 3, 1}}});
  AttentionWeights weights =
      AttentionWeights::from_torch(layer.params(), {.width = c, .key_width = 3, .value_width = 5});
  weights.zero_key = true;
  const RelativeBuckets relative{.table = layer.parameter("table"), .max_distance = kFar};
  const MultiHeadAttention attention(weights, kHeads, AttentionInputs::separate, 0.5F, relative);
  const Mask added = Mask::additive(layer["added"]);
  const Tensor y = attention.with_weights(layer["q"], layer["k"], layer["v"], added).y;
  layer.check(y, [&](const Named& in) {
    const auto project = [&](size_t i, const char* from, const char* weight) {
      return affine(in.at(from), in.at(weight), part(in.at("in_proj_bias"), i, 3), kWidth);
    };
    const auto more = [&](const Doubles& rows, const char* extra) {  // [B, S, C] -> [B, S + 2, C]
      Doubles all;
      for (size_t b = 0; b < kBatch; ++b) {
        const Doubles row = part(rows, b, kBatch);
        all.insert(all.end(), row.begin(), row.end());
        all.insert(all.end(), in.at(extra).begin(), in.at(extra).end());
        all.insert(all.end(), kWidth, 0.0);
      }
      return all;
    };
    Doubles q = project(0, "q", "q_proj_weight");
    for (double& value : q) value *= 0.5 * std::sqrt(kWidth / kHeads);  // attend() divides by it
    const Doubles y_heads = attend(q, more(project(1, "k", "k_proj_weight"), "bias_k"),
                                   more(project(2, "v", "v_proj_weight"), "bias_v"), kHeads, kHeads,
                                   kWidth / kHeads, [&](size_t, size_t h, size_t t, size_t s) {
                                     // the last query stands at the last key
                                     const auto distance = int64_t(s) - (int64_t(t) + 6 - 3);
                                     const auto bucket =
                                         RelativeBuckets::bucket(distance, kBuckets, true, kFar);
                                     return in.at("table")[size_t(bucket) * kHeads + h] +
                                            (s < 4 ? in.at("added")[h * 3 + t] : 0);
                                   });
    return affine(y_heads, in.at("out_proj.weight"), in.at("out_proj.bias"), kWidth);
  });
}

TEST(LayerDifferences, OfAGatedDecoderLayer) {
  constexpr int64_t c = kWidth, d = 6, f = kForward;
  constexpr size_t kSize = d, kTokens = 3;
  const Case layer({{"norm1.weight", {c}},
                    {"norm2.weight", {c}},
                    {"q.weight", {kHeads * d, c}},
                    {"q.bias", {kHeads * d}},
                    {"k.weight", {d, c}},
                    {"k.bias", {d}},
                    {"v.weight", {d, c}},
                    {"v.bias", {d}},
                    {"o.weight", {c, kHeads * d}},
                    {"q_norm.weight", {d}},
                    {"k_norm.weight", {d}},
                    {"gate.weight", {f, c}},
                    {"up.weight", {f, c}},
                    {"down.weight", {c, f}}},
                   {{"x", {kBatch, kTokens, c}}});
  const Params params = layer.params();
  const auto matrix = [&](const char* name, int64_t inputs, int64_t outputs, bool bias = false) {
    return LinearWeights(params / name, inputs, outputs, bias);
  };
  const GatedDecoderLayer block{
      RmsNorm(params / "norm1", c, kEpsilon),
      RotaryAttention({.projections = {matrix("q", c, kHeads * d, true), matrix("k", c, d, true),
                                       matrix("v", c, d, true)},
                       .output = matrix("o", kHeads * d, c),
                       .query_norm = RmsNorm(params / "q_norm", d, kEpsilon),
                       .key_norm = RmsNorm(params / "k_norm", d, kEpsilon)},
                      {.heads = kHeads, .kv_heads = 1, .head_dim = d}),
      RmsNorm(params / "norm2", c, kEpsilon),
      GatedFeedForward({matrix("gate", c, f), matrix("up", c, f)}, matrix("down", f, c),
                       Activation::silu)};
  const RotaryTable angles = RotaryPositions(4, 10000.0)({0}, kTokens);  // 4 of 6 are turned
  layer.check(block(layer["x"], angles, Mask::causal(Align::top_left), {}), [&](const Named& in) {
    const auto weight = [&](const char* name) { return in.at(name + std::string(".weight")); };
    const auto rms = [&](const Doubles& z, const char* name) {
      return norm(z, weight(name), {}, false, kEpsilon);
    };
    const auto turned = [](Doubles z) {  // [B, T, heads, D]
      const size_t per_token = z.size() / (kBatch * kTokens);
      for (size_t at = 0; at < z.size(); at += kSize) {
        testing::turn(&z[at], 4, double(at / per_token % kTokens), true);
      }
      return z;
    };
    const Doubles normed = rms(in.at("x"), "norm1");
    const auto project = [&](const char* name, size_t outputs) {
      return affine(normed, weight(name), in.at(name + std::string(".bias")), outputs);
    };
    const Doubles y = attend(turned(rms(project("q", kHeads * kSize), "q_norm")),
                             turned(rms(project("k", kSize), "k_norm")), project("v", kSize),
                             kHeads, 1, kSize, causal);
    const Doubles x = plus(in.at("x"), affine(y, weight("o"), {}, kWidth));
    const Doubles second = rms(x, "norm2");
    Doubles hidden = activated(Activation::silu, affine(second, weight("gate"), {}, kForward));
    const Doubles up = affine(second, weight("up"), {}, kForward);
    for (size_t i = 0; i < hidden.size(); ++i) hidden[i] *= up[i];
    return plus(x, affine(hidden, weight("down"), {}, kWidth));
  });
}

/// Every step's h of nn.LSTM or nn.GRU over x [B, T, K], zeros after a row's length.
Doubles recurrent_steps(const Named& in, RecurrentCell cell, const Doubles& x, size_t tokens,
                        const std::vector<int64_t>& lengths) {
  const bool lstm = cell == RecurrentCell::lstm;
  const size_t gates = (lstm ? 4 : 3) * kWidth, inputs = x.size() / (kBatch * tokens);
  const auto sigmoid = [](double z) { return activated(Activation::sigmoid, z); };
  Doubles y(kBatch * tokens * kWidth);
  for (size_t b = 0; b < kBatch; ++b) {
    Doubles h(kWidth), c(kWidth);
    for (size_t t = 0; t < size_t(lengths[b]); ++t) {
      const auto row = x.begin() + ptrdiff_t((b * tokens + t) * inputs);
      const Doubles from_x =
          affine({row, row + ptrdiff_t(inputs)}, in.at("weight_ih_l0"), in.at("bias_ih_l0"), gates);
      const Doubles from_h = affine(h, in.at("weight_hh_l0"), in.at("bias_hh_l0"), gates);
      for (size_t i = 0; i < kWidth; ++i) {
        const auto sum = [&](size_t gate) {
          return from_x[gate * kWidth + i] + from_h[gate * kWidth + i];
        };
        if (lstm) {
          c[i] = sigmoid(sum(1)) * c[i] + sigmoid(sum(0)) * std::tanh(sum(2));
          h[i] = sigmoid(sum(3)) * std::tanh(c[i]);
        } else {
          const double now =
              std::tanh(from_x[2 * kWidth + i] + sigmoid(sum(0)) * from_h[2 * kWidth + i]);
          h[i] = now + sigmoid(sum(1)) * (h[i] - now);
        }
        y[(b * tokens + t) * kWidth + i] = h[i];
      }
    }
  }
  return y;
}

Shapes recurrent_weights(RecurrentCell cell, int64_t inputs) {
  const int64_t gates = (cell == RecurrentCell::lstm ? 4 : 3) * int64_t{kWidth};
  return {{"weight_ih_l0", {gates, inputs}},
          {"bias_ih_l0", {gates}},
          {"weight_hh_l0", {gates, kWidth}},
          {"bias_hh_l0", {gates}}};
}

TEST(LayerDifferences, OfRecurrentLayersOverRowsOfSeveralLengths) {
  for (const RecurrentCell cell : {RecurrentCell::lstm, RecurrentCell::gru}) {
    const Case layer(recurrent_weights(cell, 3), {{"x", {kBatch, 4, 3}}});
    const RecurrentLayer steps(layer.params(), cell, {.inputs = 3, .width = kWidth});
    RecurrentState state = steps.start(kBatch);
    layer.check(run_steps(steps, layer["x"], kLengths, state, {}), [&](const Named& in) {
      return recurrent_steps(in, cell, in.at("x"), 4, kLengths);
    });
  }
}

TEST(LayerDifferences, OfARecurrentStepWithAContext) {
  for (const RecurrentCell cell : {RecurrentCell::lstm, RecurrentCell::gru}) {
    const Case layer(recurrent_weights(cell, 5), {{"x", {kBatch, 3}}, {"context", {kBatch, 2}}});
    const RecurrentLayer steps(layer.params(), cell, {.inputs = 3, .width = kWidth, .context = 2});
    RecurrentState state = steps.start(kBatch);
    for (int t = 0; t < 2; ++t) {  // the state of the first reaches the second
      state = steps(add(steps.gates(layer["x"]), steps.context_gates(layer["context"])), state);
    }
    layer.check(state.h, [&](const Named& in) {
      Doubles both;
      for (size_t at = 0; at < kBatch * 2; ++at) {  // the same row twice
        const Doubles x = part(in.at("x"), at / 2, kBatch);
        const Doubles context = part(in.at("context"), at / 2, kBatch);
        both.insert(both.end(), x.begin(), x.end());
        both.insert(both.end(), context.begin(), context.end());
      }
      const Doubles all = recurrent_steps(in, cell, both, 2, {2, 2});
      Doubles last;
      for (size_t b = 0; b < kBatch; ++b) {
        const Doubles h = part(all, 2 * b + 1, 2 * kBatch);
        last.insert(last.end(), h.begin(), h.end());
      }
      return last;
    });
  }
}

TEST(LayerDifferences, OfAdditiveAttention) {
  constexpr int64_t c = kWidth;
  const Case layer({{"query.weight", {c, c}}, {"key.weight", {c, c}}, {"score.weight", {1, c}}},
                   {{"q", {kBatch, c}}, {"memory", {kBatch, 4, c}}});
  const AdditiveAttention attention(layer.params(), c);
  const Tensor hidden = Tensor::zeros({kBatch, 4});
  hidden.at({1, 2}) = hidden.at({1, 3}) = -INFINITY;  // as padded() has it
  layer.check(
      attention(layer["q"], attention.keys(layer["memory"]), layer["memory"], hidden),
      [&](const Named& in) {
        const Doubles& memory = in.at("memory");
        const Doubles from_q = affine(in.at("q"), in.at("query.weight"), {}, kWidth);
        Doubles together = affine(memory, in.at("key.weight"), {}, kWidth);
        for (size_t i = 0; i < together.size(); ++i) {
          together[i] = std::tanh(together[i] + from_q[i / (4 * kWidth) * kWidth + i % kWidth]);
        }
        const Doubles scores = affine(together, in.at("score.weight"), {}, 1);
        Doubles y(kBatch * kWidth);
        for (size_t b = 0; b < kBatch; ++b) {
          double total = 0;
          std::array<double, 4> weights{};
          for (size_t s = 0; s < 4; ++s) {
            weights[s] = std::exp(scores[b * 4 + s] + padded(b, 0, 0, s));
            total += weights[s];
          }
          for (size_t i = 0; i < 4 * kWidth; ++i) {
            y[b * kWidth + i % kWidth] += weights[i / kWidth] / total * memory[b * 4 * kWidth + i];
          }
        }
        return y;
      });
}

TEST(LayerDifferences, OfEmbeddingsAndPositions) {
  const Case layer({{"words.weight", {5, kWidth}},
                    {"positions.weight", {2 + 4, kWidth}},
                    {"norm.weight", {kWidth}},
                    {"norm.bias", {kWidth}}},
                   {});
  const Embedding words(layer.params() / "words", 5, kWidth);
  const LearnedPositions positions(layer.params() / "positions", 4, kWidth, 2);
  const LayerNorm normed(layer.params() / "norm", kWidth, kEpsilon);
  const std::vector<int32_t> ids{4, 0, 4, 2, 4, 1};
  layer.check(normed(words(Tensor::from(ids, {kBatch, 3})) + positions(3)), [&](const Named& in) {
    Doubles x;
    for (size_t at = 0; at < ids.size() * kWidth; ++at) {
      const size_t token = at / kWidth, i = at % kWidth;
      x.push_back(in.at("words.weight")[size_t(ids[token]) * kWidth + i] +
                  in.at("positions.weight")[(2 + token % 3) * kWidth + i]);
    }
    return norm(x, in.at("norm.weight"), in.at("norm.bias"), true, kEpsilon);
  });
}

}  // namespace
}  // namespace heed
