#include "heed/train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "heed/autograd/tape.h"
#include "heed/base/parallel.h"
#include "heed/io/safetensors.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/random_tensor.h"

namespace heed {
namespace {

using testing::expect_same_bits;
using testing::random_tensor;

/// As numbers() of tools/make_training_goldens.py.
std::vector<float> numbers(uint64_t stream, int64_t count) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    uint64_t z = ((stream << 32) + static_cast<uint64_t>(i) + 1) * 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    z = z ^ (z >> 31);
    values.push_back(static_cast<float>(z >> 40) * 0x1p-24F - 0.5F);
  }
  return values;
}

Tensor recorded_gradient(int64_t step, size_t parameter, const Shape& shape) {
  std::vector<float> values =
      numbers(1000 * (parameter + 1) + static_cast<uint64_t>(step), shape.numel());
  for (size_t i = 0; i < values.size(); ++i) values[i] *= std::exp2(-static_cast<float>(i % 6));
  return Tensor::from(values, shape);
}

void set_gradient(const Tensor& parameter, const Tensor& g) {
  clear_gradient(parameter);
  const Tensor y = record(Tensor::zeros(g.shape()), {parameter},
                          [](const Tensor& dy, Gradients& to) { to.add(0, dy); });
  backward(y, g);
}

struct Case {
  std::string name;
  OptimizerOptions options;
  double rate = 1e-3;
  double weight_decay = 0;
};

/// Those of tools/make_training_goldens.py.
std::vector<Case> cases() {
  const auto of = [](OptimizerKind kind, auto change) {
    OptimizerOptions options = OptimizerOptions::defaults(kind);
    change(options);
    return options;
  };
  const auto as_is = [](OptimizerOptions&) {};
  return {
      {"sgd", of(OptimizerKind::sgd, as_is)},
      {"momentum", of(OptimizerKind::sgd, [](auto& o) { o.momentum = 0.9; }), 1e-3, 0.1},
      {"nesterov", of(OptimizerKind::sgd,
                      [](auto& o) {
                        o.momentum = 0.9;
                        o.nesterov = true;
                      })},
      {"adam", of(OptimizerKind::adam, as_is), 1e-3, 0.1},
      {"adamw", of(OptimizerKind::adamw, as_is), 1e-3, 0.1},
      {"adafactor", of(OptimizerKind::adafactor, as_is), 1e-3, 0.1},
      {"adafactor_moment", of(OptimizerKind::adafactor,
                              [](auto& o) {
                                o.beta1 = 0.9;
                                o.scale_parameter = false;
                              })},
      {"lion", of(OptimizerKind::lion, as_is), 1e-4, 0.1},
  };
}

NamedTensors golden_parameters() {
  NamedTensors parameters;
  for (const auto& [name, shape] :
       {std::pair<std::string, Shape>{"matrix", {24, 17}}, {"cube", {2, 5, 7}}, {"bias", {17}}}) {
    const auto stream = static_cast<uint64_t>(parameters.size());
    parameters.emplace_back(name, leaf(Tensor::from(numbers(stream, shape.numel()), shape)));
  }
  return parameters;
}

class EveryOptimizer : public ::testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Kinds, EveryOptimizer, ::testing::ValuesIn(cases()),
                         [](const auto& param_info) { return param_info.param.name; });

TEST_P(EveryOptimizer, FollowsPyTorchOverAThousandGradients) {
  const Case& of = GetParam();
  const testing::Golden golden("optimizers.safetensors");
  const NamedTensors parameters = golden_parameters();
  const auto optimizer =
      make_optimizer(of.options, {{.parameters = parameters, .weight_decay = of.weight_decay}});
  for (int64_t step = 1; step <= 1000; ++step) {
    for (size_t i = 0; i < parameters.size(); ++i) {
      const Tensor& weight = parameters[i].second;
      set_gradient(weight, recorded_gradient(step, i, weight.shape()));
    }
    optimizer->step(of.rate);
    if (step != 1 && step != 100 && step != 1000) continue;
    for (const auto& [name, weight] : parameters) {
      const std::string key = of.name + "." + std::to_string(step) + "." + name;
      testing::expect_close(weight, golden[key], 1e-6, key);
    }
  }
}

/// Parameters of more than one chunk, and gradients for step `step`.
NamedTensors large_parameters() {
  return {{"table", leaf(random_tensor({300, 257}, 1))},
          {"wide", leaf(random_tensor({3, 40000}, 2))},
          {"bias", leaf(random_tensor({70000}, 3))},
          {"empty", leaf(random_tensor({0, 4}, 4))}};
}

void give_gradients(const NamedTensors& parameters, unsigned step) {
  for (const auto& [name, weight] : parameters) {
    set_gradient(weight, random_tensor(weight.shape(), 100 * step, 0.1F));
  }
}

TEST_P(EveryOptimizer, GivesTheSameBitsAtAnyNumberOfThreads) {
  const int before = num_threads();
  std::vector<NamedTensors> results;
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    results.push_back(large_parameters());
    const auto optimizer = make_optimizer(GetParam().options, {{results.back(), 1, 0.1}});
    for (unsigned step = 0; step < 2; ++step) {
      give_gradients(results.back(), step);
      optimizer->step(1e-2, clip_factor(optimizer->gradient_norm(), 1));
    }
  }
  set_num_threads(before);
  for (size_t i = 0; i < results[0].size(); ++i) {
    expect_same_bits(results[0][i].second, results[1][i].second, results[0][i].first);
  }
}

TEST_P(EveryOptimizer, GoesOnFromSavedStateToTheBit) {
  const testing::TemporaryFolder folder;
  const NamedTensors unbroken = golden_parameters();
  const auto one = make_optimizer(GetParam().options, {{unbroken}});
  const auto update = [](Optimizer& optimizer, const NamedTensors& parameters, int64_t step) {
    for (size_t i = 0; i < parameters.size(); ++i) {
      const Tensor& weight = parameters[i].second;
      set_gradient(weight, recorded_gradient(step, i, weight.shape()));
    }
    optimizer.step(1e-2);
  };
  for (int64_t step = 1; step <= 3; ++step) update(*one, unbroken, step);
  write_safetensors(folder / "state", one->state());

  const Checkpoint saved = Checkpoint::open(folder / "state");
  NamedTensors state;
  for (const auto& [name, entry] : saved.entries()) state.emplace_back(name, saved.load(name));
  NamedTensors resumed;
  for (const auto& [name, weight] : unbroken) resumed.emplace_back(name, leaf(weight.clone()));
  const auto other = make_optimizer(GetParam().options, {{resumed}});
  other->load_state(state);
  for (int64_t step = 4; step <= 6; ++step) {
    update(*one, unbroken, step);
    update(*other, resumed, step);
  }
  for (size_t i = 0; i < resumed.size(); ++i) {
    expect_same_bits(resumed[i].second, unbroken[i].second, resumed[i].first);
  }
}

TEST_P(EveryOptimizer, LeavesAloneWhatHasNoGradient) {
  const Tensor moved = leaf(Tensor::from({1, 2, 3, 4}, {2, 2}));
  const Tensor still = leaf(Tensor::from({1, 2, 3, 4}, {2, 2}));
  const auto optimizer =
      make_optimizer(GetParam().options, {{{{"moved", moved}, {"still", still}}, 1, 0.1}});
  set_gradient(moved, Tensor::full({2, 2}, 1));
  optimizer->step(0.1);
  EXPECT_NE(moved.at({0, 0}), 1);
  expect_same_bits(still, Tensor::from({1, 2, 3, 4}, {2, 2}), "still");
  for (const auto& [name, tensor] : optimizer->state()) {
    if (tensor.dtype() != DType::i64) continue;
    EXPECT_EQ(tensor.at<int64_t>({0}), name == "moved.step" ? 1 : 0) << name;
  }
}

TEST_P(EveryOptimizer, AFactorIsAScaledGradient) {
  const NamedTensors scaled = golden_parameters();
  const NamedTensors by_factor = golden_parameters();
  const auto one = make_optimizer(GetParam().options, {{scaled, 1, 0.1}});
  const auto other = make_optimizer(GetParam().options, {{by_factor, 1, 0.1}});
  for (size_t i = 0; i < scaled.size(); ++i) {
    const Tensor g = recorded_gradient(1, i, scaled[i].second.shape());
    const Tensor half = g.clone();
    for (float& x : half.span<float>()) x *= 0.5F;  // exact, so that bits agree
    set_gradient(scaled[i].second, half);
    set_gradient(by_factor[i].second, g);
  }
  one->step(1e-2);
  other->step(1e-2, 0.5);
  for (size_t i = 0; i < scaled.size(); ++i) {
    expect_same_bits(scaled[i].second, by_factor[i].second, scaled[i].first);
  }
}

TEST(Optimizer, RateFactorsAndDecayAreAGroups) {
  const Tensor fast = leaf(Tensor::full({1, 1}, 1)), slow = leaf(Tensor::full({1, 1}, 1));
  const auto optimizer = make_optimizer({.kind = OptimizerKind::sgd},
                                        {{{{"fast", fast}}, 1, 0}, {{{"slow", slow}}, 0.25, 0.5}});
  set_gradient(fast, Tensor::full({1, 1}, 1));
  set_gradient(slow, Tensor::full({1, 1}, 1));
  optimizer->step(0.5);
  EXPECT_EQ(fast.at({0, 0}), 0.5);
  EXPECT_EQ(slow.at({0, 0}), 1 - 0.125 * 1.5);
}

TEST(Optimizer, NormIsOfAllGradientsTogether) {
  const Tensor a = leaf(Tensor::zeros({2})), b = leaf(Tensor::zeros({1, 1}));
  const Tensor none = leaf(Tensor::zeros({3}));
  const auto optimizer = make_optimizer({}, {{{{"a", a}, {"none", none}}}, {{{"b", b}}}});
  EXPECT_EQ(optimizer->gradient_norm(), 0);
  set_gradient(a, Tensor::from({2, 3}, {2}));
  set_gradient(b, Tensor::full({1, 1}, 6));
  EXPECT_EQ(optimizer->gradient_norm(), 7);
  EXPECT_DOUBLE_EQ(clip_factor(7, 3.5), 3.5 / (7 + 1e-6));
  EXPECT_EQ(clip_factor(7, 10), 1);
  EXPECT_TRUE(std::isnan(clip_factor(NAN, 1)));
}

TEST(Optimizer, RefusesWhatItCannotServe) {
  const auto refuse = [](const OptimizerOptions& options, const NamedTensors& parameters,
                         std::initializer_list<std::string_view> why) {
    expect_error(ErrorCode::invalid_argument, why,
                 [&] { make_optimizer(options, {{parameters}}); });
  };
  const Tensor weight = leaf(Tensor::zeros({2}));
  refuse({}, {{"w", weight}, {"w", weight}}, {"'w' is given twice"});
  refuse({}, {{"w", leaf(Tensor::zeros({2}, DType::bf16))}}, {"f32", "'w' is not"});
  refuse({}, {{"w", Tensor::zeros({2})}}, {"leaf"});
  refuse({.beta2 = 1}, {{"w", weight}}, {"beta2 must be from 0"});
  refuse({.kind = OptimizerKind::sgd, .nesterov = true}, {{"w", weight}}, {"needs a momentum"});
}

TEST(Optimizer, RefusesStateOfAnotherModelAndKeepsItsOwn) {
  const auto optimizer = make_optimizer({}, {{{{"w", leaf(Tensor::zeros({2}))}}}});
  const auto other = make_optimizer({}, {{{{"w", leaf(Tensor::zeros({3}))}}}});
  const auto another = make_optimizer({}, {{{{"v", leaf(Tensor::zeros({2}))}}}});
  expect_error(ErrorCode::corrupt_data,
               {"optimizer state: 'w.exp_avg' must be f32 [2] but is f32 [3]"},
               [&] { optimizer->load_state(other->state()); });
  expect_error(ErrorCode::corrupt_data, {"needed w.exp_avg, w.exp_avg_sq, w.step, found no"},
               [&] { optimizer->load_state(another->state()); });
  NamedTensors more = optimizer->state();
  more.emplace_back("u.step", Tensor::zeros({1}, DType::i64));
  expect_error(ErrorCode::corrupt_data, {"found u.step, which nothing"},
               [&] { optimizer->load_state(more); });
}

TEST(ParameterGroups, NormsAndBiasesDoNotDecay) {
  const NamedTensors leaves{{"a.weight", Tensor::zeros({2, 2})},
                            {"a.bias", Tensor::zeros({2})},
                            {"b.weight", Tensor::zeros({2, 2})}};
  const auto groups = group_parameters(leaves, 0.1);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].weight_decay, 0.1);
  ASSERT_EQ(groups[0].parameters.size(), 2U);
  EXPECT_EQ(groups[0].parameters[1].first, "b.weight");
  EXPECT_EQ(groups[1].weight_decay, 0);
  EXPECT_EQ(groups[1].parameters[0].first, "a.bias");
}

TEST(ParameterGroups, RatesFallFromTheHeadToTheEmbeddings) {
  NamedTensors leaves{{"bert.embeddings.word_embeddings.weight", Tensor::zeros({2, 2})},
                      {"bert.pooler.dense.weight", Tensor::zeros({2, 2})}};
  for (const char* layer : {"0", "1", "2"}) {
    leaves.emplace_back(std::string("bert.encoder.layer.") + layer + ".output.dense.weight",
                        Tensor::zeros({2, 2}));
  }
  const auto rate = layer_rates(leaves, 0.5);
  EXPECT_EQ(rate(leaves[0].first), 0.0625);
  EXPECT_EQ(rate(leaves[1].first), 1);
  EXPECT_EQ(rate(leaves[2].first), 0.125);
  EXPECT_EQ(rate(leaves[4].first), 0.5);
  for (const char* table : {"transformer.wte.weight", "shared.weight", "model.shared.weight"}) {
    EXPECT_EQ(rate(table), 0.0625) << table;
  }
  EXPECT_EQ(group_parameters(leaves, 0, rate).size(), 5U);
}

}  // namespace
}  // namespace heed
