#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "heed/lens/labels.h"
#include "heed/lens/picture.h"
#include "tests/expect_error.h"
#include "tests/lens/sample_picture.h"

namespace heed {
namespace {

using testing::sample_picture;

std::string without_escapes(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\033') {
      i = text.find('m', i);
    } else {
      out += text[i];
    }
  }
  return out;
}

int widest_line(const std::string& text) {
  std::istringstream lines(without_escapes(text));
  int widest = 0;
  for (std::string line; std::getline(lines, line);) widest = std::max(widest, display_width(line));
  return widest;
}

TEST(Terminal, IsNeverWiderThanAsked) {
  const std::vector<Picture> pictures = {
      sample_picture(1, 7, 7),   sample_picture(2, 12, 9),  sample_picture(1, 40, 40),
      sample_picture(1, 3, 300), sample_picture(1, 130, 3), sample_picture(24, 9, 9),
      sample_picture(8, 25, 25), sample_picture(1, 0, 0),   sample_picture(1, 1, 1)};
  for (const Picture& picture : pictures) {
    for (const Colors colors : {Colors::none, Colors::truecolor}) {
      for (const bool numbers : {false, true}) {
        for (const bool unicode : {false, true}) {
          for (const int width : {4, 11, 33, 121}) {
            const std::string drawn = draw_terminal(
                picture,
                {.colors = colors, .width = width, .numbers = numbers, .unicode = unicode});
            EXPECT_LE(widest_line(drawn), width)
                << picture.maps.size() << " maps " << to_string(picture.maps[0].values.shape())
                << " numbers " << numbers << " unicode " << unicode << "\n"
                << (drawn.size() < 4000 ? without_escapes(drawn) : "");
          }
        }
      }
    }
  }
}

TEST(Terminal, PlainOutputHasNoEscapes) {
  const Picture picture = sample_picture(2, 12, 12);
  EXPECT_EQ(draw_terminal(picture, {}).find('\033'), std::string::npos);
  EXPECT_NE(draw_terminal(picture, {.colors = Colors::ansi256}).find("\033[48;5;"),
            std::string::npos);
  EXPECT_NE(draw_terminal(picture, {.colors = Colors::truecolor}).find("\033[48;2;"),
            std::string::npos);
}

TEST(Terminal, NumbersShowEveryCellAlsoWhenFolded) {
  Picture picture;
  picture.maps.push_back({.title = "numbers", .values = Tensor::empty({3, 30})});
  for (int64_t i = 0; i < 90; ++i) {
    picture.maps[0].values.at({i / 30, i % 30}) = static_cast<float>(i) / 100;
  }
  const std::string drawn = draw_terminal(picture, {.width = 60, .numbers = true});
  for (int i = 0; i < 90; ++i) {
    EXPECT_NE(drawn.find(format_value(static_cast<float>(i) / 100, 2)), std::string::npos) << i;
  }
}

TEST(Terminal, ShadesGrowWithTheWeight) {
  Picture picture;
  picture.maps.push_back(
      {.values = Tensor::from({0.0f, 0.25f, 0.5f, 0.75f, 1.0f}, {1, 5}), .row_labels = {"w"}});
  EXPECT_NE(draw_terminal(picture, {.unicode = false}).find("w    :::+++###@@@"), std::string::npos)
      << draw_terminal(picture, {.unicode = false});
}

TEST(Terminal, SignsHaveShadesOfTheirOwn) {
  Picture picture;
  picture.maps.push_back(
      {.values = Tensor::from({-1.0f, -0.3f, 0.0f, 0.3f, 1.0f}, {1, 5}), .row_labels = {"w"}});
  const std::string plain = draw_terminal(picture, {.unicode = false});
  EXPECT_NE(plain.find("w OOO---   ...@@@"), std::string::npos) << plain;
  EXPECT_NE(plain.find("-1.00 Oo=- 0 .+#@ 1.00"), std::string::npos) << plain;
  EXPECT_NE(draw_terminal(picture, {}).find("≣"), std::string::npos);
}

TEST(Terminal, MissingValuesAreSaid) {
  Picture picture;
  picture.maps.push_back(
      {.values = Tensor::from({std::numeric_limits<float>::quiet_NaN(), 1.0f}, {1, 2})});
  EXPECT_NE(draw_terminal(picture, {.unicode = false}).find('?'), std::string::npos);
}

TEST(Picture, WrongLabelsAreNamed) {
  Picture picture = sample_picture(1, 3, 3);
  picture.maps[0].row_labels.pop_back();
  expect_error(ErrorCode::invalid_argument, {"map 0", "3 row labels", "found 2"},
               [&] { draw_terminal(picture, {}); });
  picture.maps[0].values = Tensor();
  expect_error(ErrorCode::invalid_argument, {"[R, C]", "found none"},
               [&] { draw_terminal(picture, {}); });
}

}  // namespace
}  // namespace heed
