#include "heed/text/tag_spans.h"

#include <gtest/gtest.h>

namespace heed {
namespace {

using Spans = std::vector<TagSpan>;

TEST(TagSpans, FollowIobAndBioes) {
  EXPECT_EQ(tag_spans({"O", "B-loc", "I-loc", "O"}), (Spans{{1, 3, "loc"}}));
  EXPECT_EQ(tag_spans({"B-loc", "B-loc"}), (Spans{{0, 1, "loc"}, {1, 2, "loc"}}));
  EXPECT_EQ(tag_spans({"B-loc", "I-per"}), (Spans{{0, 1, "loc"}, {1, 2, "per"}}));
  EXPECT_EQ(tag_spans({"I-loc", "I-loc"}), (Spans{{0, 2, "loc"}}));  // IOB1 has no B here
  EXPECT_EQ(tag_spans({"B-loc", "E-loc", "I-loc"}), (Spans{{0, 2, "loc"}, {2, 3, "loc"}}));
  EXPECT_EQ(tag_spans({"S-loc", "I-loc"}), (Spans{{0, 1, "loc"}, {1, 2, "loc"}}));
  EXPECT_EQ(tag_spans({"", "O", "x"}), Spans{});
}

}  // namespace
}  // namespace heed
