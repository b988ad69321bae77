#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "heed/base/cancel.h"
#include "heed/base/memory.h"
#include "heed/base/parallel.h"
#include "heed/ops/attention_report.h"
#include "tests/expect_error.h"
#include "tests/kernels/every_isa.h"

// What attention_report promises, case by case; random calls are in attention_report_test.cc.

namespace heed::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

Tensor random_tensor(const Shape& shape, uint32_t seed) {
  const auto values = kernels::random_floats(static_cast<size_t>(shape.numel()), seed);
  return Tensor::from(values, shape);
}

AttentionReportWant everything() {
  AttentionReportWant want = AttentionReportWant::all_rows();
  want.top = 2;
  want.received = true;
  want.map = 2;
  want.window = 1;
  return want;
}

TEST(AttentionReport, ThreeKeysByHand) {
  kernels::on_every_isa([](kernels::Isa) {
    // Scores 0, log 2, log 5: weights 1/8, 2/8, 5/8. Two queries that stand at keys 1 and 2.
    const Tensor q = Tensor::from({1, 1}, {1, 1, 2, 1});
    const Tensor k = Tensor::from({0, std::log(2.0F), std::log(5.0F)}, {1, 1, 3, 1});
    const AttentionReport report = attention_report(q, k, k, {}, everything());
    const float entropy = std::log(8.0F) - (2 * std::log(2.0F) + 5 * std::log(5.0F)) / 8;
    for (const int64_t t : {0, 1}) {
      EXPECT_NEAR(report.entropy.at({0, 0, t}), entropy, 1e-6F);
      EXPECT_NEAR(report.perplexity.at({0, 0, t}), std::exp(entropy), 1e-5F);
      EXPECT_NEAR(report.squares.at({0, 0, t}), 30.0F / 64, 1e-6F);
      EXPECT_NEAR(report.max.at({0, 0, t}), 0.625F, 1e-6F);
      EXPECT_EQ(report.max_key.at<int64_t>({0, 0, t}), 2);
      EXPECT_NEAR(report.first.at({0, 0, t}), 0.125F, 1e-6F);
      EXPECT_EQ(report.top_keys.at<int64_t>({0, 0, t, 1}), 1);
      EXPECT_NEAR(report.top_weights.at({0, 0, t, 1}), 0.25F, 1e-6F);
    }
    EXPECT_NEAR(report.self.at({0, 0, 0}), 0.25F, 1e-6F);
    EXPECT_NEAR(report.self.at({0, 0, 1}), 0.625F, 1e-6F);
    EXPECT_NEAR(report.previous.at({0, 0, 0}), 0.125F, 1e-6F);
    EXPECT_NEAR(report.previous.at({0, 0, 1}), 0.25F, 1e-6F);
    EXPECT_NEAR(report.distance.at({0, 0, 0}), 0.75F, 1e-6F);
    EXPECT_NEAR(report.distance.at({0, 0, 1}), 0.5F, 1e-6F);
    EXPECT_NEAR(report.inside.at({0, 0, 0}), 1.0F, 1e-6F);
    EXPECT_NEAR(report.outside.at({0, 0, 1}), 0.125F, 1e-6F);
    EXPECT_NEAR(report.received.at({0, 0, 2}), 1.25F, 1e-6F);
    EXPECT_NEAR(report.received_max.at({0, 0, 1}), 0.25F, 1e-6F);
    EXPECT_EQ(report.received_top.at<int64_t>({0, 0, 0}), 0);
    EXPECT_EQ(report.received_top.at<int64_t>({0, 0, 1}), 2);
    EXPECT_NEAR(report.map.sum.at({0, 0, 1, 1}), 0.875F, 1e-6F);  // keys 1 and 2
    EXPECT_NEAR(report.map.mean.at({0, 0, 1, 1}), 0.4375F, 1e-6F);
    EXPECT_NEAR(report.map.max.at({0, 0, 1, 1}), 0.625F, 1e-6F);
    EXPECT_EQ(report.map.key_edges.at<int64_t>({1}), 1);
  });
}

TEST(AttentionReport, TiesGoToTheLowestKey) {
  kernels::on_every_isa([](kernels::Isa) {
    // Keys 3, 200 and 300 are the best alike, all others the next best alike.
    const Tensor q = Tensor::full({1, 1, 40, 4}, 1.0F);
    const Tensor k = Tensor::full({1, 1, 400, 4}, 0.5F);
    for (const int64_t s : {3, 200, 300}) k.at({0, 0, s, 0}) = 1.0F;
    const AttentionReport report =
        attention_report(q, k, k, {}, {.max = true, .received = true, .top = 6});
    const int64_t expected[] = {3, 200, 300, 0, 1, 2};
    for (int64_t t = 0; t < 40; ++t) {
      EXPECT_EQ(report.max_key.at<int64_t>({0, 0, t}), 3);
      for (int64_t i = 0; i < 6; ++i) {
        EXPECT_EQ(report.top_keys.at<int64_t>({0, 0, t, i}), expected[i]) << i;
      }
    }
    EXPECT_EQ(report.received_top.at<int64_t>({0, 0, 200}), 40);
    EXPECT_EQ(report.received_top.at<int64_t>({0, 0, 4}), 0);
  });
}

TEST(AttentionReport, TopOfLongRowsKeepsKeysInOrderWhereManyTie) {
  kernels::on_every_isa([](kernels::Isa isa) {
    // Small whole numbers: scores are exact, and every one of them is many keys'.
    const int64_t rows = 70, keys = isa == kernels::Isa::reference ? 200 : 1300;
    const auto whole = [](int64_t n, uint32_t seed) {
      const Tensor x = random_tensor({1, 1, n, 2}, seed);
      for (float& value : x.span<float>()) value = std::round(2 * value);
      return x;
    };
    const Tensor q = whole(rows, 1), k = whole(keys, 2);
    const AttentionOptions options{.scale = 1.0F, .mask = Mask::causal(Align::bottom_right)};
    for (const int64_t top : {1, 2, 8, 20, 64}) {
      const AttentionReport report = attention_report(q, k, k, options, {.max = true, .top = top});
      for (int64_t t = 0; t < rows; ++t) {
        const auto score = [&](int64_t s) {
          return q.at({0, 0, t, 0}) * k.at({0, 0, s, 0}) + q.at({0, 0, t, 1}) * k.at({0, 0, s, 1});
        };
        std::vector<int64_t> order(static_cast<size_t>(keys - rows + t + 1));
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(),
                         [&](int64_t a, int64_t b) { return score(a) > score(b); });
        EXPECT_EQ(report.max_key.at<int64_t>({0, 0, t}), order[0]);
        for (int64_t i = 0; i < top; ++i) {
          const int64_t key = order[static_cast<size_t>(i)];
          ASSERT_EQ(report.top_keys.at<int64_t>({0, 0, t, i}), key) << "row " << t << ", " << i;
          const float weight = std::exp(score(key) - report.lse.at({0, 0, t}));
          ASSERT_NEAR(report.top_weights.at({0, 0, t, i}), weight, 1e-5F);
        }
      }
    }
  });
}

TEST(AttentionReport, ARowIsTheSameAloneAndInCompany) {
  kernels::on_every_isa([](kernels::Isa) {
    const Tensor q = random_tensor({1, 2, 300, 8}, 1), k = random_tensor({1, 2, 300, 8}, 2);
    AttentionReportWant want = AttentionReportWant::all_rows();
    want.top = 8;
    want.window = 5;
    want.bins = {0, 3, 50, 51, 140, 299};
    const Mask causal = Mask::causal(Align::top_left);
    for (const Mask& mask : {causal, causal & Mask::window(37, 0)}) {
      const auto all = named_arrays(attention_report(q, k, k, {.mask = mask}, want), want);
      for (const int64_t rows : {1, 19, 77, 133}) {
        const AttentionReport few =
            attention_report(q.slice(2, 0, rows), k, k, {.mask = mask}, want);
        const auto arrays = named_arrays(few, want);
        for (size_t i = 0; i < arrays.size(); ++i) {
          const Tensor part = all[i].second.slice(2, 0, rows).contiguous();
          ASSERT_EQ(part.numel(), arrays[i].second.numel());
          EXPECT_EQ(std::memcmp(part.raw_data(), arrays[i].second.raw_data(),
                                static_cast<size_t>(part.numel() * size_of(part.dtype()))),
                    0)
              << arrays[i].first << " of " << rows << " rows";
        }
      }
    }
  });
}

TEST(AttentionReport, RowsThatLieApartChangeNoBit) {
  kernels::on_every_isa([](kernels::Isa) {
    // Views of one fused projection, [1, T, 3, H, D]: long enough that heads are packed.
    const Tensor all = random_tensor({1, 400, 3, 2, 8}, 1);
    const auto part = [&](int64_t i) { return all.select(2, i).transpose(1, 2); };
    const auto dense = [&](int64_t i) { return part(i).contiguous(); };
    const AttentionReportWant want = everything();
    const AttentionReport apart = attention_report(part(0), part(1), part(2), {}, want);
    const AttentionReport together = attention_report(dense(0), dense(1), dense(2), {}, want);
    EXPECT_TRUE(std::ranges::equal(apart.y.contiguous().span<float>(),
                                   together.y.contiguous().span<float>()));
    const auto expected = named_arrays(together, want);
    const auto found = named_arrays(apart, want);
    for (size_t i = 0; i < expected.size(); ++i) {
      const Tensor& array = expected[i].second;
      EXPECT_EQ(std::memcmp(array.raw_data(), found[i].second.raw_data(),
                            static_cast<size_t>(array.numel() * size_of(array.dtype()))),
                0)
          << expected[i].first;
    }
  });
}

TEST(AttentionReport, ASinkTakesMassButIsNoKey) {
  kernels::on_every_isa([](kernels::Isa) {
    const Tensor q = Tensor::from({1}, {1, 1, 1, 1});
    const Tensor k = Tensor::from({0, 0}, {1, 1, 2, 1});
    const Tensor sinks = Tensor::from({std::log(2.0F)}, {1});  // half of the mass
    const AttentionReport report = attention_report(q, k, k, {.sinks = sinks}, everything());
    EXPECT_NEAR(report.max.at({0, 0, 0}), 0.25F, 1e-6F);
    EXPECT_EQ(report.max_key.at<int64_t>({0, 0, 0}), 0);
    EXPECT_NEAR(report.entropy.at({0, 0, 0}), 0.5F * std::log(4.0F), 1e-6F);
    EXPECT_NEAR(report.received.at({0, 0, 0}) + report.received.at({0, 0, 1}), 0.5F, 1e-6F);
  });
}

TEST(AttentionReport, ASinkThatTakesAllLeavesNoKey) {
  kernels::on_every_isa([](kernels::Isa) {
    const Tensor q = random_tensor({1, 1, 40, 4}, 1), k = random_tensor({1, 1, 50, 4}, 2);
    const AttentionReportWant want = everything();
    // e^-87 is f32's last weight, e^-745 f64's.
    for (const float sink : {95.5F, 200.5F, 1000.0F}) {
      const AttentionReport report =
          attention_report(q, k, k, {.sinks = Tensor::from({sink}, {1})}, want);
      for (const auto& [name, array] : named_arrays(report, want)) {
        const bool keys = name == "max_key" || name == "top2_keys";
        if (name.ends_with("edges")) continue;
        const Tensor values = array.contiguous();
        for (int64_t i = 0; i < values.numel(); ++i) {
          if (values.dtype() == DType::i64) {
            ASSERT_EQ(values.span<int64_t>()[static_cast<size_t>(i)], keys ? -1 : 0) << name;
          } else {
            ASSERT_EQ(values.span<float>()[static_cast<size_t>(i)], 0.0F) << name;
          }
        }
      }
    }
    const AttentionReport some =
        attention_report(q, k, k, {.sinks = Tensor::from({60.5F}, {1})}, want);
    EXPECT_GE(some.max_key.at<int64_t>({0, 0, 7}), 0);
    EXPECT_GT(some.max.at({0, 0, 7}), 0.0F);
  });
}

TEST(AttentionReport, ARowThatSeesNothingIsZerosAndNoKey) {
  kernels::on_every_isa([](kernels::Isa) {
    const Tensor q = random_tensor({1, 2, 40, 8}, 1), k = random_tensor({1, 2, 30, 8}, 2);
    Tensor hidden = Tensor::full({40, 30}, 0.0F);
    for (int64_t s = 0; s < 30; ++s) hidden.at({5, s}) = -kInfinity;
    for (const Mask& mask : {Mask::additive(hidden), Mask::padding({0})}) {
      const AttentionReportWant want = everything();
      const AttentionReport report = attention_report(q, k, k, {.mask = mask}, want);
      for (const auto& [name, array] : named_arrays(report, want)) {
        if (array.rank() != 3 || array.size(2) != 40) continue;
        if (name == "max_key") {
          EXPECT_EQ(array.at<int64_t>({0, 1, 5}), -1);
        } else {
          EXPECT_EQ(array.at({0, 1, 5}), 0.0F) << name;
        }
      }
      EXPECT_EQ(report.top_keys.at<int64_t>({0, 1, 5, 0}), -1);
      EXPECT_EQ(report.top_weights.at({0, 1, 5, 1}), 0.0F);
    }
  });
}

TEST(AttentionReport, NumbersKeysInTheWholeOfPackedSegments) {
  kernels::on_every_isa([](kernels::Isa) {
    // Positions, and with them first, self, previous and distance, restart at 100.
    const Tensor q = random_tensor({1, 1, 250, 8}, 1);
    const std::vector<int64_t> starts{0, 100, 250};
    const AttentionOptions options{.mask = Mask::segments(starts, starts) &
                                           Mask::causal(Align::top_left)};
    const AttentionReport report = attention_report(q, q, q, options, everything());
    EXPECT_EQ(report.max_key.at<int64_t>({0, 0, 100}), 100);
    EXPECT_EQ(report.top_keys.at<int64_t>({0, 0, 100, 1}), -1);
    EXPECT_NEAR(report.first.at({0, 0, 100}), 1.0F, 1e-6F);
    EXPECT_NEAR(report.self.at({0, 0, 100}), 1.0F, 1e-6F);
    EXPECT_EQ(report.previous.at({0, 0, 100}), 0.0F);
    EXPECT_NEAR(report.first.at({0, 0, 101}), report.previous.at({0, 0, 101}), 1e-7F);
    EXPECT_NEAR(report.distance.at({0, 0, 101}), report.first.at({0, 0, 101}), 1e-6F);
    const auto received = report.received.span<float>();
    EXPECT_NEAR(std::accumulate(received.begin(), received.begin() + 100, 0.0), 100, 1e-3);
  });
}

TEST(AttentionReport, SegmentsOfOneQueryHaveTheBitsOfPlainAttention) {
  kernels::on_every_isa([](kernels::Isa) {
    const Tensor q = random_tensor({1, 4, 230, 8}, 1), k = random_tensor({1, 2, 330, 8}, 2);
    const AttentionOptions options{.mask = Mask::segments({0, 1, 229, 230}, {0, 90, 310, 330}) &
                                           Mask::causal(Align::bottom_right)};
    const AttentionReport report = attention_report(q, k, k, options, everything());
    const AttentionOutputs plain = attention_outputs(q, k, k, options, {.lse = true});
    EXPECT_TRUE(std::ranges::equal(report.y.contiguous().span<float>(),
                                   plain.y.contiguous().span<float>()));
    EXPECT_TRUE(std::ranges::equal(report.lse.span<float>(), plain.lse.span<float>()));
    for (const int64_t t : {0, 100, 229}) EXPECT_GT(report.max.at({0, 3, t}), 0.0F);
  });
}

TEST(AttentionReport, LongRowsWhoseWeightsAreComputedAgain) {
  kernels::on_every_isa([](kernels::Isa isa) {
    // Past the keys whose weights are kept.
    const int64_t keys = isa == kernels::Isa::reference ? 300 : 8500;
    const Tensor q = random_tensor({1, 2, 150, 8}, 1), k = random_tensor({1, 1, keys, 8}, 2);
    const AttentionOptions options{.scale = 2.0F, .mask = Mask::causal(Align::bottom_right)};
    AttentionReportWant want = everything();
    want.map = 60;
    const AttentionOutputs out = attention_outputs(q, k, k, options, {.weights = true});
    const AttentionReport report = attention_report(q, k, k, options, want);
    for (int64_t h = 0; h < 2; ++h) {
      for (int64_t s = 0; s < keys; ++s) {
        double sum = 0;
        float high = 0;
        for (int64_t t = 0; t < 150; ++t) {
          sum += static_cast<double>(out.weights.at({0, h, t, s}));
          high = std::max(high, out.weights.at({0, h, t, s}));
        }
        ASSERT_NEAR(report.received.at({0, h, s}), sum, 1e-5) << s;
        ASSERT_NEAR(report.received_max.at({0, h, s}), high, 1e-5F) << s;
      }
      for (int64_t t = 0; t < 150; ++t) {
        double entropy = 0, distance = 0;
        for (int64_t s = 0; s < keys; ++s) {
          const auto p = static_cast<double>(out.weights.at({0, h, t, s}));
          if (p > 0) entropy -= p * std::log(p);
          distance += p * static_cast<double>(std::abs(t + keys - 150 - s));
        }
        ASSERT_NEAR(report.entropy.at({0, h, t}), entropy, 1e-5 * std::max(1.0, entropy));
        ASSERT_NEAR(report.distance.at({0, h, t}), distance, 1e-5 * std::max(1.0, distance));
      }
    }
    double total = 0;
    for (const float x : report.map.sum.span<float>()) total += static_cast<double>(x);
    EXPECT_NEAR(total, 300, 1e-3);
  });
}

TEST(AttentionReport, ReportsBeforeDropoutAndLeavesYAlone) {
  kernels::on_every_isa([](kernels::Isa) {
    const Tensor q = random_tensor({1, 2, 70, 8}, 1);
    const AttentionOptions dropping{.dropout = {0.5F, 7}};
    const AttentionReport with = attention_report(q, q, q, dropping, everything());
    const AttentionReport without = attention_report(q, q, q, {}, everything());
    EXPECT_TRUE(std::ranges::equal(with.entropy.span<float>(), without.entropy.span<float>()));
    EXPECT_TRUE(std::ranges::equal(with.received.span<float>(), without.received.span<float>()));
    EXPECT_TRUE(std::ranges::equal(with.y.contiguous().span<float>(),
                                   attention(q, q, q, dropping).contiguous().span<float>()));
  });
}

TEST(AttentionReport, NonFiniteValuesDoNotCountRowsTwice) {
  // An infinite value makes the kernel go over a block again, carefully.
  const Tensor q = random_tensor({1, 1, 64, 8}, 1), v = random_tensor({1, 1, 64, 8}, 2);
  v.at({0, 0, 60, 0}) = kInfinity;
  const AttentionOptions options{.mask = Mask::causal(Align::top_left)};
  const AttentionReport report = attention_report(q, q, v, options, everything());
  const auto received = report.received.span<float>();
  EXPECT_NEAR(std::accumulate(received.begin(), received.end(), 0.0), 64, 1e-4);
  const auto map = report.map.sum.span<float>();
  EXPECT_NEAR(std::accumulate(map.begin(), map.end(), 0.0), 64, 1e-4);
}

TEST(AttentionReport, EmptyInputs) {
  const AttentionReportWant want = everything();
  const AttentionReport none =
      attention_report(Tensor::empty({1, 2, 0, 4}), Tensor::empty({1, 2, 5, 4}),
                       Tensor::empty({1, 2, 5, 4}), {}, want);
  EXPECT_EQ(none.entropy.shape(), (Shape{1, 2, 0}));
  EXPECT_EQ(none.map.sum.shape(), (Shape{1, 2, 0, 2}));
  EXPECT_EQ(none.received.at({0, 1, 4}), 0.0F);
  const AttentionReport blind =
      attention_report(random_tensor({1, 2, 3, 4}, 1), Tensor::empty({1, 2, 0, 4}),
                       Tensor::empty({1, 2, 0, 4}), {}, want);
  EXPECT_EQ(blind.max_key.at<int64_t>({0, 1, 2}), -1);
  EXPECT_EQ(blind.received.shape(), (Shape{1, 2, 0}));
}

TEST(AttentionReport, TellsHowFarItIsAndStopsWhenAsked) {
  const Tensor q = random_tensor({1, 2, 700, 4}, 1);
  AttentionReportWant want = everything();
  int64_t last = 0, all = 0;
  want.progress = [&](int64_t done, int64_t total) {
    EXPECT_GE(done, last);
    last = done;
    all = total;
  };
  attention_report(q, q, q, {}, want);
  EXPECT_EQ(last, 12);  // blocks of 128 queries of 2 heads
  EXPECT_EQ(all, 12);
  request_cancel();
  expect_error(ErrorCode::cancelled, {}, [&] { attention_report(q, q, q, {}, want); });
  clear_cancel();
}

TEST(AttentionReport, CallsThatComeAgainAskForNoMemory) {
  const int threads = num_threads();
  const int64_t limit = set_cached_memory_limit(int64_t{1} << 28);
  set_num_threads(3);
  const Tensor q = random_tensor({1, 2, 300, 8}, 1);
  const Tensor few = q.slice(2, 0, 3), one = q.slice(2, 0, 1);
  const Tensor keys = random_tensor({1, 2, 5000, 8}, 2);
  const auto all = [&] {
    attention(one, keys, keys);  // whose kernels all have scratch of another size
    attention(few.slice(1, 0, 1), keys.slice(1, 0, 1), keys.slice(1, 0, 1));
    const Tensor lse = attention_report(q, q, q, {}, everything()).lse;
    attention_tile(q, q, lse, {}, {0, 300}, {0, 300});
    attention_divergence({q, q, lse}, {q, q, lse}, 2);
    attention(q, q, q);
  };
  all();
  const uint64_t before = allocated_so_far();
  all();
  EXPECT_EQ(allocated_so_far(), before);
  set_num_threads(threads);
  set_cached_memory_limit(limit);
}

TEST(AttentionReport, NamesAreReadAndGiven) {
  const AttentionReportWant want =
      parse_attention_report("entropy,max,top8,first,received,map16,window4");
  EXPECT_TRUE(want.entropy && want.max && want.first && want.received);
  EXPECT_FALSE(want.self || want.distance || want.squares);
  EXPECT_EQ(want.top, 8);
  EXPECT_EQ(want.map, 16);
  EXPECT_EQ(want.window, 4);
  const Tensor q = random_tensor({1, 1, 20, 4}, 1);
  std::string names;
  for (const auto& [name, array] : named_arrays(attention_report(q, q, q, {}, want), want)) {
    names += name + " ";
  }
  EXPECT_EQ(names,
            "entropy max max_key first top8_weights top8_keys inside4 outside4 received "
            "received_max received_top8 map16_sum map16_mean map16_max map16_row_edges "
            "map16_key_edges ");
  for (const char* wrong : {"", "top", "topx", "top-1", "entropy,", "mean", "map8x"}) {
    expect_error(ErrorCode::invalid_argument, {"needed names of"},
                 [&] { parse_attention_report(wrong); });
  }
  const auto refuses = [](const char* all, const char* message) {
    expect_error(ErrorCode::invalid_argument, {message}, [&] { parse_attention_report(all); });
  };
  refuses("top8,entropy,top2", "needed one topK, found top8 and top2");
  refuses("map64,map2", "needed one mapN, found map64 and map2");
  refuses("window1,window1", "needed one windowN, found window1 and window1");
  refuses("window0,window2", "needed one windowN, found window0 and window2");
  refuses("top0", "needed topK with K of at least 1, found top0");
  refuses("map0", "needed mapN with N of at least 1, found map0");
}

TEST(AttentionReport, ErrorsSayWhatWasNeededAndFound) {
  const Tensor q = random_tensor({2, 1, 5, 4}, 1), k = random_tensor({2, 1, 7, 4}, 2);
  const auto refuses = [&](std::initializer_list<std::string_view> parts,
                           const AttentionReportWant& want) {
    expect_error(ErrorCode::invalid_argument, parts, [&] { attention_report(q, k, k, {}, want); });
  };
  refuses({"top must be in [0, 64]", "65"}, {.top = 65});
  refuses({"map must be in [0, 1024]", "-1"}, {.map = -1});
  refuses({"window must be in", "-3"}, {.window = -3});
  refuses({"bins need two edges", "[0, S=7]", "0 to 8"}, {.bins = {0, 8}});
  refuses({"bins need two edges", "1 from 3"}, {.bins = {3}});
  refuses({"bins must rise but 2 follows 5"}, {.bins = {0, 5, 2, 7}});
  refuses({"a list's starts must rise but 0 follows 1"},
          {.lists = {{.keys = {1}, .starts = {0, 1, 0, 1, 1, 1}}}});
  refuses({"listed keys must be in [0, S=7)", "7"}, {.lists = {{.keys = {1, 7}}}});
  refuses({"T+1=6 starts", "B T + 1=11", "has 3"}, {.lists = {{.keys = {1}, .starts = {0, 1, 1}}}});
  refuses({"starts must rise from 0 to its 1 keys", "0 to 2"},
          {.lists = {{.keys = {1}, .starts = {0, 0, 0, 0, 0, 2}}}});
}

}  // namespace
}  // namespace heed::testing
