#include "heed/lens/colors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace heed {
namespace {

TEST(Colors, LightnessIsMonotonicInBothThemes) {
  for (int i = 1; i < 256; ++i) {
    const float low = static_cast<float>(i - 1) / 255;
    const float high = static_cast<float>(i) / 255;
    EXPECT_LT(lightness(heat_color(low, Theme::dark)), lightness(heat_color(high, Theme::dark)));
    EXPECT_GT(lightness(heat_color(low, Theme::light)), lightness(heat_color(high, Theme::light)));
  }
}

TEST(Colors, EqualStepsInValueAreEqualStepsInLightness) {
  // The path's hue turns, so a step's lightness may differ a little; 16 steps average out rounding.
  double smallest = 1;
  double largest = 0;
  for (int i = 0; i < 16; ++i) {
    const double from = lightness(heat_color(static_cast<float>(i) / 16, Theme::dark));
    const double to = lightness(heat_color(static_cast<float>(i + 1) / 16, Theme::dark));
    smallest = std::min(smallest, to - from);
    largest = std::max(largest, to - from);
  }
  EXPECT_LT(largest / smallest, 1.5);
}

TEST(Colors, ValuesOutsideAreClampedAndMissingOnesStandApart) {
  EXPECT_EQ(heat_color(-3, Theme::dark), heat_color(0, Theme::dark));
  EXPECT_EQ(heat_color(7, Theme::dark), heat_color(1, Theme::dark));
  const Rgb missing = heat_color(std::numeric_limits<float>::quiet_NaN(), Theme::light);
  EXPECT_EQ(missing, missing_color(Theme::light));
  for (int i = 0; i < 256; ++i) {
    EXPECT_FALSE(heat_color(static_cast<float>(i) / 255, Theme::light) == missing);
  }
}

TEST(Colors, InkReadsOnEveryColour) {
  for (int i = 0; i < 256; ++i) {
    const Rgb color = heat_color(static_cast<float>(i) / 255, Theme::light);
    EXPECT_GT(std::fabs(lightness(ink_on(color)) - lightness(color)), 0.3) << i;
    const Rgb of_sign = signed_color(static_cast<float>(i) / 127 - 1, Theme::light);
    EXPECT_GT(std::fabs(lightness(ink_on(of_sign)) - lightness(of_sign)), 0.3) << i;
  }
}

TEST(Colors, SignsHaveColoursOfOneLightnessAtOneDistanceFromZero) {
  for (const Theme theme : {Theme::light, Theme::dark}) {
    const double outwards = theme == Theme::dark ? 1 : -1;
    for (int i = 1; i <= kSignedSteps; ++i) {
      const float here = static_cast<float>(i) / kSignedSteps;
      const float nearer = static_cast<float>(i - 1) / kSignedSteps;
      for (const float sign : {-1.0f, 1.0f}) {
        EXPECT_GE(outwards * (lightness(signed_color(sign * here, theme)) -
                              lightness(signed_color(sign * nearer, theme))),
                  -0.004)  // a channel is a whole number
            << i;
      }
      const Rgb below = signed_color(-here, theme), above = signed_color(here, theme);
      EXPECT_NEAR(lightness(below), lightness(above), 0.06) << i;
      if (i > 16) {
        EXPECT_GT(below.blue, below.red) << i;
        EXPECT_GT(above.red, above.blue) << i;
      }
    }
    EXPECT_EQ(signed_color(-0.0f, theme), signed_color(0, theme));
    EXPECT_EQ(signed_color(-9, theme), signed_color(-1, theme));
    EXPECT_EQ(signed_color(NAN, theme), missing_color(theme));
  }
}

TEST(Colors, ZeroIsInTheMiddleOfARangeOfTwoSigns) {
  const ValueRange both{-0.5f, 0.5f};
  EXPECT_EQ(heat_color(0, both, Theme::light), signed_color(0, Theme::light));
  EXPECT_EQ(heat_color(-0.5f, both, Theme::light), signed_color(-1, Theme::light));
  EXPECT_EQ(heat_color(0.25f, {0, 0.5f}, Theme::light), heat_color(0.5f, Theme::light));
}

TEST(Colors, TerminalColoursAreNear) {
  std::set<int> used;
  for (int i = 0; i < 256; ++i)
    used.insert(ansi256(heat_color(static_cast<float>(i) / 255, Theme::dark)));
  EXPECT_GE(*used.begin(), 16);
  EXPECT_GE(used.size(), 16U);
  EXPECT_EQ(ansi256({255, 255, 255}), 231);
  EXPECT_EQ(ansi256({8, 8, 8}), 232);
}

}  // namespace
}  // namespace heed
