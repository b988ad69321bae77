// Both sequences of encoder-decoders against transformers (tools/make_seq2seq_goldens.py).

#include "heed/lens/look_pair.h"

#include <gtest/gtest.h>

#include "heed/lens/alignment.h"
#include "heed/lens/diverge.h"
#include "heed/lens/look_arrays.h"
#include "heed/lens/look_picture.h"
#include "heed/lens/relations.h"
#include "heed/lens/through.h"
#include "heed/models/registry.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/letter_models.h"

namespace heed {
namespace {

using testing::expect_close;
using testing::Golden;
using testing::golden_folder;
using testing::LetterModel;

/// Ids as a text of so many words; those at the places in `special` were added.
ReadText words_of(const std::vector<int32_t>& ids, const std::vector<size_t>& special = {}) {
  Encoding e;
  std::string text;
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto start = std::ssize(text);
    text += "w" + std::to_string(ids[i]) + " ";
    e.ids.push_back(ids[i]);
    e.tokens.push_back(std::to_string(ids[i]));
    e.type_ids.push_back(0);
    e.offsets.push_back({start, std::ssize(text) - 1});
    e.byte_offsets.push_back(e.offsets.back());
    e.words.push_back(static_cast<int32_t>(i));
    e.special.push_back(std::ranges::find(special, i) != special.end());
  }
  std::vector<Word> words = group_words(e, text);
  return {std::move(text), std::move(e), std::move(words)};
}

struct Case {
  explicit Case(const std::string& name, int64_t row = 0)
      : model(load_encoder_decoder(golden_folder() / name)),
        expected(name + "/expected.safetensors"),
        sources(expected["lengths"].at<int32_t>({row})) {
    std::vector<int32_t> source, target;
    for (int64_t s = 0; s < sources; ++s) {
      source.push_back(expected["input_ids"].at<int32_t>({row, s}));
    }
    const Tensor ids = expected["decoder_ids"];
    for (int64_t t = 1; t < ids.size(1); ++t) target.push_back(ids.at<int32_t>({row, t}));
    target.push_back(source.back());  // the last one written is not read
    pair = {.source = words_of(source, {source.size() - 1}),
            .target = words_of(target),
            .start = ids.at<int32_t>({row, 0}),
            .start_token = "start"};
  }

  std::shared_ptr<const EncoderDecoder> model;
  Golden expected;
  int64_t sources;
  PairText pair;
};

/// One row of the batch of expected [L, B, H, T, S], cut to S keys (and T rows, of the encoder).
Tensor golden_weights(const Case& one, const char* name, int64_t row, bool square) {
  Tensor all = one.expected[name];
  Tensor weights = all.slice(1, row, row + 1).contiguous();
  Shape shape = weights.shape();
  weights = weights.reshape({shape[0], shape[2], shape[3], shape[4]});
  if (name != std::string("decoder_attentions")) weights = weights.slice(3, 0, one.sources);
  if (square) weights = weights.slice(2, 0, one.sources);
  return weights.contiguous();
}

TEST(LookPair, EveryAttentionIsTransformers) {
  for (const std::string name :
       {"t5_relu", "t5_gated", "mt5", "bart", "mbart", "marian_apart", "pegasus"}) {
    for (const int64_t row : {0, 1}) {
      const Case one(name, row);
      const auto look = [&](PairAttention which) { return look_pair(*one.model, one.pair, which); };
      const Look cross = look(PairAttention::cross);
      expect_close(cross.weights, golden_weights(one, "cross_attentions", row, false), 1e-5, name);
      EXPECT_EQ(cross.keys(), one.sources);
      expect_close(look(PairAttention::decoder).weights,
                   golden_weights(one, "decoder_attentions", row, false), 1e-5, name);
      expect_close(look(PairAttention::encoder).weights,
                   golden_weights(one, "encoder_attentions", row, true), 1e-5, name);
    }
  }
}

TEST(LookPair, TheDecodersOwnTextIsWhatItReads) {
  const Case one("bart");
  const Look own = look_pair(*one.model, one.pair, PairAttention::decoder);
  EXPECT_EQ(own.encoding.ids[0], one.pair.start);
  EXPECT_EQ(own.words[0].name, "start");
  EXPECT_EQ(own.words[1].name, one.pair.target.words[0].name);
  EXPECT_EQ(own.tokens(), 7);
  EXPECT_EQ(own.role(0, 0).empty(), false);
}

TEST(LookPair, ReportsOfLongPairsSayTheSame) {
  const Case one("bart");
  const Look whole = look_pair(*one.model, one.pair, PairAttention::cross);
  const Look told = look_pair(*one.model, one.pair, PairAttention::cross, {.most_whole = 0});
  ASSERT_FALSE(told.weights);
  const auto exact = align_words(whole, 1, 0), reported = align_words(told, 1, 0);
  ASSERT_EQ(exact.size(), 7u);
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_EQ(exact[i].source, reported[i].source) << i;
    EXPECT_NEAR(exact[i].weight, reported[i].weight, 1e-6) << i;
  }
  for (int64_t head = 0; head < 2; ++head) {
    EXPECT_NEAR(whole.statistics(0, head).entropy, told.statistics(0, head).entropy, 1e-6);
    float end = 0;  // the source's last token is the one that was added
    for (int64_t t = 0; t < 7; ++t) end += whole.weights.at({0, head, t, 10}) / 7;
    EXPECT_NEAR(told.statistics(0, head).sinks, end, 1e-6);
  }
  for (const bool sinks : {false, true}) {
    const LookView view{.layer = Pick::one(1), .sinks = sinks};
    const HeatMap map = look_picture({told}, view).maps[0];
    const Tensor words = whole.between_words(1, std::nullopt);
    ASSERT_EQ(map.values.shape(), (Shape{7, 11}));
    for (int64_t t = 0; t < 7; ++t) {
      for (int64_t s = 0; s < 11; ++s) {
        const float wanted = s == 10 && !sinks ? 0 : words.at({t, s});
        EXPECT_NEAR(map.values.at({t, s}), wanted, 1e-6) << t << " " << s;
      }
    }
  }
}

TEST(LookPair, AMapHasTheTargetsWordsByTheSources) {
  const Case one("mbart");
  const Look cross = look_pair(*one.model, one.pair, PairAttention::cross);
  const HeatMap map = look_picture({cross}, {.layer = Pick::one(0)}).maps[0];
  EXPECT_EQ(map.row_labels.size(), 7u);
  EXPECT_EQ(map.column_labels.size(), 10u) << "without the end";
  EXPECT_EQ(map.column_labels[0], one.pair.source.words[0].name);
  for (const auto& [name, array] : look_arrays(cross)) {
    EXPECT_EQ(array.shape(), (Shape{1, 2, 7, 11})) << name;
  }
}

/// Two layers of one head: three words that were written look at three of a source.
Look small_cross() {
  Look cross;
  cross.source = words_of({7, 8, 9}, {2});
  const ReadText target = words_of({1, 2, 3}, {2});
  cross.text = target.text;
  cross.encoding = target.encoding;
  cross.words = target.words;
  cross.weights = Tensor::from({0.1f, 0.2f, 0.7f, 0.3f, 0.6f, 0.1f, 0, 0, 1,   // layer 0
                                0.5f, 0.3f, 0.2f, 0.9f, 0.1f, 0.0f, 0, 0, 1},  // layer 1
                               {2, 1, 3, 3});
  return cross;
}

TEST(Alignment, TakesTheBestWordThatIsNotSpecial) {
  Look cross = small_cross();
  cross.words = {{"one", {0, 2}}, {"end", {2, 3}, true}};
  const auto first = align_words(cross, 0, 0);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].target, 0);
  EXPECT_EQ(first[0].source, 1);
  EXPECT_NEAR(first[0].weight, 0.4f, 1e-6);  // the mean over the word's pieces
  EXPECT_EQ(align_words(cross, std::nullopt, std::nullopt)[0].source, 0);
  EXPECT_EQ(alignment_layer(1), 0);
  EXPECT_EQ(alignment_layer(2), 0);
  EXPECT_EQ(alignment_layer(6), 4);
}

TEST(Relations, OfCrossAttentionGoFromTheTargetToTheSource) {
  const auto look_of = [](const RelatedWords&) { return small_cross(); };
  const std::vector<RelatedWords> pairs = {{"s", "w1", "w8", "r", "t"},
                                           {"s", "w2", "w8", "r", "t"}};
  const Relation found = score_relations(look_of, pairs)[0];
  EXPECT_EQ(found.pairs, 2);
  EXPECT_EQ(found.baseline, 0.5f);
  ASSERT_EQ(found.heads.size(), 2u);
  EXPECT_EQ(found.heads[0].layer, 0);  // both look at w8 more than at w7; the end is a sink
  EXPECT_FLOAT_EQ(found.heads[0].hits, 1);
  EXPECT_FLOAT_EQ(found.heads[0].share, 0.4f);
  EXPECT_FLOAT_EQ(found.heads[1].hits, 0);
  const std::vector<RelatedWords> absent = {{"s", "w1", "w2", "r", "t"}};
  expect_error(ErrorCode::invalid_argument, {"to-word 'w2'", "w7 w8"},
               [&] { score_relations(look_of, absent); });
}

TEST(LookPair, NormsAreOfTheSourcesValues) {
  const Case one("bart");
  const Look cross = look_pair(*one.model, one.pair, PairAttention::cross, {.value_norms = true});
  ASSERT_EQ(cross.value_norms.shape(), (Shape{2, 2, 11}));
  const Look norms = with_norms(cross);
  for (int64_t t = 0; t < 7; ++t) {
    for (int64_t s = 0; s < 11; ++s) {
      EXPECT_FLOAT_EQ(norms.weights.at({1, 1, t, s}),
                      cross.weights.at({1, 1, t, s}) * cross.value_norms.at({1, 1, s}));
    }
  }
}

TEST(LookPair, DivergenceIsOfTheSameTargetsOverTheirSources) {
  const Case one("t5_relu");
  PairText other = one.pair;
  std::swap(other.source.encoding.ids[0], other.source.encoding.ids[1]);
  for (const auto which : {PairAttention::encoder, PairAttention::decoder, PairAttention::cross}) {
    const auto run = [&](const PairText& pair) {
      return look_pair(*one.model, pair, which, {.runs = true});
    };
    const Look a = run(one.pair), b = run(other);
    float same = 0, apart = 0;
    for (const float value : diverging(a, a).rows.span<float>()) same = std::max(same, value);
    for (const float value : diverging(a, b).rows.span<float>()) apart = std::max(apart, value);
    EXPECT_LT(same, 1e-6f);
    EXPECT_GT(apart, 1e-6f);
  }
  const Case shorter("t5_relu", 1);
  ASSERT_NE(shorter.sources, one.sources);
  expect_error(ErrorCode::invalid_argument, {"two pairs of as many tokens", "looking at"}, [&] {
    diverging(look_pair(*one.model, one.pair, PairAttention::cross, {.runs = true}),
              look_pair(*one.model, shorter.pair, PairAttention::cross, {.runs = true}));
  });
}

TEST(HeadPlace, IsALayerAndAHead) {
  const auto place = parse_head_place("5.13");
  ASSERT_TRUE(place);
  EXPECT_EQ(place->layer, 5);
  EXPECT_EQ(place->head, 13);
  for (const char* wrong : {"", ".", "5", "5.", ".3", "-1.0", "1.-1", "1.2.3", "1.2 ", "a.b",
                            "99999999999999999999.0"}) {
    EXPECT_FALSE(parse_head_place(wrong)) << wrong;
  }
}

TEST(LookPair, TextsAreReadByWordsWithTheirPlaces) {
  const LetterModel letters("transformer_2x6");
  const auto tokenizer = Tokenizer::load(letters.path());
  const ReadText source = read_source(tokenizer->encode("ab cd e"), "ab cd e", {.prefix_bytes = 3});
  ASSERT_EQ(source.words.size(), 5u);  // the prefix's a, b and space, cd, e
  EXPECT_TRUE(source.words[0].special);
  EXPECT_EQ(source.words[3].name, "cd");
  EXPECT_EQ(place_of(source.text, source.encoding, source.words[3]).bytes, (Span{3, 5}));
  const std::vector<int32_t> ids = {*tokenizer->id_of("<s>"), *tokenizer->id_of("a"),
                                    *tokenizer->id_of("b"),   *tokenizer->id_of("\u0120"),
                                    *tokenizer->id_of("c"),   *tokenizer->id_of("</s>")};
  const ReadText target = read_target(tokenizer, ids);
  EXPECT_EQ(target.text, tokenizer->decode(ids));
  EXPECT_EQ(target.words[1].name, "ab");
  EXPECT_EQ(place_of(target.text, target.encoding, target.words[1]).characters, (Span{0, 2}));
  EXPECT_TRUE(target.words.back().special);
  EXPECT_EQ(read_target(tokenizer, ids, {.pieces = true}).words.size(), ids.size());
}

TEST(LookPair, BadInputIsNamed) {
  const Case one("bart");
  PairText empty = one.pair;
  empty.target = words_of({});
  expect_error(ErrorCode::invalid_argument, {"target"},
               [&] { look_pair(*one.model, empty, PairAttention::cross); });
  expect_error(ErrorCode::invalid_argument, {"encoder, decoder or cross", "both"},
               [] { pair_attention_from_name("both"); });
  const auto recurrent = load_encoder_decoder(golden_folder() / "recurrent_lstm");
  PairText pair{
      .source = words_of({3, 4}), .target = words_of({5, 6}), .start = 1, .start_token = "s"};
  expect_error(ErrorCode::unsupported, {"does not tell where it looks"},
               [&] { look_pair(*recurrent, pair, PairAttention::cross); });
}

}  // namespace
}  // namespace heed
