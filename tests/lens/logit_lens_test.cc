#include "heed/lens/logit_lens.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "heed/base/file.h"
#include "heed/lens/labels.h"
#include "heed/models/registry.h"
#include "tests/expect_error.h"
#include "tests/golden.h"

// The states are transformers'; the norm, the product and softmax are done here in f64.

namespace heed {
namespace {

using testing::Golden;
using testing::golden_folder;

constexpr double kClose = 2e-5;

std::vector<int32_t> first_row(const Tensor& ids) {
  const Tensor row = ids.select(0, 0);
  std::vector<int32_t> out;
  for (int64_t t = 0; t < row.size(0); ++t) {
    out.push_back(row.dtype() == DType::i64 ? static_cast<int32_t>(row.at<int64_t>({t}))
                                            : row.at<int32_t>({t}));
  }
  return out;
}

/// ln p of each token of the vocabulary after a state [C].
std::vector<double> log_probabilities(const Tensor& state, const Tensor& norm,
                                      const Tensor& output) {
  const int64_t width = state.size(0);
  double squares = 0;
  for (const float x : state.span<const float>()) squares += double{x} * x;
  const double scale = 1 / std::sqrt(squares / static_cast<double>(width) + 1e-6);
  std::vector<double> logits;
  for (int64_t id = 0; id < output.size(0); ++id) {
    double sum = 0;
    for (int64_t c = 0; c < width; ++c) {
      sum += double{state.at({c})} * (norm ? scale * norm.at({c}) : 1) * output.at({id, c});
    }
    logits.push_back(sum);
  }
  double whole = 0;
  for (const double logit : logits) whole += std::exp(logit);
  for (double& logit : logits) logit -= std::log(whole);
  return logits;
}

TEST(LogitLens, SaysWhatNormAndOutputMakeOfTransformersStates) {
  constexpr int64_t kTop = 4;
  const Golden expected("llama_plain/expected.safetensors");
  const Golden weights("llama_plain/model.safetensors");
  const auto model = load_causal_model(golden_folder() / "llama_plain");
  const std::vector<int32_t> ids = first_row(expected["input_ids"]);
  int64_t reported = 0;
  const LogitLens lens =
      logit_lens(*model, ids, kTop, [&](int64_t done, int64_t) { reported = done; });
  const Tensor states = expected["hidden_states"];  // [L + 1, B, T, C], the last normed
  ASSERT_EQ(lens.rows(), states.size(0));
  EXPECT_EQ(reported, lens.rows());
  for (int64_t row = 0; row < lens.rows(); ++row) {
    const bool is_last = row + 1 == lens.rows();
    for (int64_t t = 0; t < std::ssize(ids); ++t) {
      const std::vector<double> all = log_probabilities(
          states.select(0, row).select(0, 0).select(0, t).contiguous(),
          is_last ? Tensor() : weights["model.norm.weight"], weights["lm_head.weight"]);
      std::vector<int32_t> order(all.size());
      std::iota(order.begin(), order.end(), 0);
      std::ranges::sort(order, std::greater(), [&](int32_t id) { return all[size_t(id)]; });
      for (int64_t i = 0; i < kTop; ++i) {
        const auto id = static_cast<size_t>(order[static_cast<size_t>(i)]);
        EXPECT_EQ(lens.said.at<int32_t>({row, t, i}), order[static_cast<size_t>(i)]);
        EXPECT_NEAR(lens.probabilities.at({row, t, i}), std::exp(all[id]), kClose);
      }
      if (t + 1 == std::ssize(ids)) {
        EXPECT_TRUE(std::isnan(lens.next.at({row, t})));
      } else {
        const auto next = static_cast<size_t>(ids[static_cast<size_t>(t) + 1]);
        EXPECT_NEAR(lens.next.at({row, t}), all[next], 10 * kClose);
      }
    }
  }
}

TEST(LogitLens, TopIsOfTheVocabulary) {
  const auto model = load_causal_model(golden_folder() / "gpt2_2x5");
  for (const int64_t top : {int64_t{0}, model->facts().vocab + 1}) {
    expect_error(ErrorCode::invalid_argument, {"lens", "top"}, [&] {
      logit_lens(*model, {1, 2}, top);
    });
  }
}

TokenTable two_by_three() {
  TokenTable table{.title = "What is said", .caption = "A caption."};
  table.row_labels = {"embeddings", "layer 0"};
  table.column_labels = {"The", visible_token(" end"), visible_token("\n")};
  table.cells = {"a", "b", "c", "d", "e", "a token too long for a cell"};
  table.values = Tensor::from(std::vector<float>{0, 0.5f, 1, 0.25f, 0.75f, 0.125f}, {2, 3});
  return table;
}

TEST(TokenTable, IsFoldedIntoTheTerminalsWidth) {
  TerminalStyle style;
  style.colors = Colors::none;
  style.width = 40;
  const std::string text = draw_terminal(two_by_three(), style);
  EXPECT_NE(text.find("embeddings"), text.rfind("embeddings")) << text;  // folded once
  EXPECT_NE(text.find("␣end"), std::string::npos);
  EXPECT_NE(text.find("⏎"), std::string::npos);
  EXPECT_EQ(text.find("too long for"), std::string::npos);
  style.width = 80;
  style.numbers = true;
  const std::string wide = draw_terminal(two_by_three(), style);
  EXPECT_EQ(wide.find("embeddings"), wide.rfind("embeddings")) << wide;
  EXPECT_NE(wide.find(".75"), std::string::npos) << wide;
}

TEST(TokenTable, FilesHaveItsWords) {
  const testing::TemporaryFolder folder;
  const auto saved = [&](const char* name) {
    const auto path = folder.path() / name;
    save_token_table(two_by_three(), path, Theme::light);
    return read_file(path);
  };
  EXPECT_TRUE(saved("a.png").starts_with("\x89PNG"));
  EXPECT_TRUE(saved("a.pdf").starts_with("%PDF"));
  EXPECT_NE(saved("a.svg").find("␣end"), std::string::npos);
  EXPECT_NE(saved("a.html").find("embeddings"), std::string::npos);
  for (const char* name : {"b.html", "b.json", "b.csv"}) {
    EXPECT_NE(saved(name).find("a token too long for a cell"), std::string::npos) << name;
  }
}

TEST(TokenTable, ALongTitleIsWrappedNotCut) {
  const testing::TemporaryFolder folder;
  TokenTable table = two_by_three();
  table.title = "What each layer would say next: a text of many words, which ends here";
  save_token_table(table, folder.path() / "a.svg", Theme::light);
  const std::string drawn = read_file(folder.path() / "a.svg");
  EXPECT_NE(drawn.find("here</text>"), std::string::npos) << drawn;
}

TEST(LogitLens, OfADecoderIsOfWhatStandsBehindItsBlocks) {
  for (const std::string name : {"t5_relu", "mbart", "bart"}) {  // scaled, normed, neither
    const auto model = load_encoder_decoder(golden_folder() / name);
    const Golden expected(name + "/expected.safetensors");
    std::vector<int32_t> source = first_row(expected["input_ids"]);
    source.resize(static_cast<size_t>(expected["lengths"].at<int32_t>({0})));
    const std::vector<int32_t> ids = first_row(expected["decoder_ids"]);
    const LogitLens lens = logit_lens(*model, source, ids, 3);
    const Tensor states = expected["decoder_hidden_states"];  // [L + 1, B, T, C], the last normed
    ASSERT_EQ(lens.rows(), states.size(0));
    const Tensor first = states.select(0, 0).select(0, 0).contiguous();
    const Tensor logits = model->logits(model->final_norm(first.unsqueeze(0)));
    const Tensor said = expected["logits"].select(0, 0);
    for (int64_t t = 0; t < std::ssize(ids); ++t) {
      for (const auto& [row, all] :
           {std::pair(int64_t{0}, logits.select(0, 0)), std::pair(lens.rows() - 1, said)}) {
        const int32_t best = lens.said.at<int32_t>({row, t, 0});
        double whole = 0, highest = -1e30;
        for (int64_t id = 0; id < all.size(1); ++id) {
          whole += std::exp(double{all.at({t, id})});
          highest = std::max(highest, double{all.at({t, id})});
        }
        EXPECT_NEAR(lens.probabilities.at({row, t, 0}), std::exp(highest) / whole, kClose) << name;
        EXPECT_NEAR(all.at({t, best}), highest, 1e-4) << name;
      }
    }
  }
  const auto recurrent = load_encoder_decoder(golden_folder() / "recurrent_lstm");
  expect_error(ErrorCode::unsupported, {"between layers"}, [&] {
    logit_lens(*recurrent, {3, 4}, {1, 2}, 1);
  });
}

}  // namespace
}  // namespace heed
