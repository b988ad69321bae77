#include "heed/lens/picture.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "heed/base/file.h"
#include "heed/io/npy.h"
#include "heed/lens/canvas.h"
#include "heed/lens/colors.h"
#include "heed/lens/layout.h"
#include "tests/expect_error.h"
#include "tests/lens/sample_picture.h"
#include "tests/support.h"

namespace heed {
namespace {

using testing::sample_picture;
using testing::TemporaryFolder;

class Saved : public ::testing::Test {
 protected:
  std::string save(const Picture& picture, const std::string& name, Theme theme = Theme::light) {
    save_picture(picture, folder_ / name, theme);
    return read_file(folder_ / name);
  }
  TemporaryFolder folder_;
};

TEST_F(Saved, EveryFormatHasItsSignatureAtEverySize) {
  for (const auto& [maps, rows, columns] :
       std::vector<std::tuple<int, int64_t, int64_t>>{{1, 7, 7},
                                                      {2, 9, 8},
                                                      {1, 40, 40},
                                                      {1, 300, 300},
                                                      {24, 9, 9},
                                                      {1, 0, 0},
                                                      {0, 0, 0},
                                                      {1, 1, 3000}}) {
    const Picture picture = sample_picture(maps, rows, columns);
    for (const Theme theme : {Theme::light, Theme::dark}) {
      EXPECT_EQ(save(picture, "a.png", theme).substr(0, 8), "\x89PNG\r\n\x1a\n");
      const std::string pdf = save(picture, "a.pdf", theme);
      EXPECT_EQ(pdf.substr(0, 5), "%PDF-");
      EXPECT_NE(pdf.find("%%EOF"), std::string::npos);
      const std::string svg = save(picture, "a.svg", theme);
      EXPECT_EQ(svg.substr(0, 4), "<svg");
      EXPECT_EQ(svg.substr(svg.size() - 7), "</svg>\n");
      EXPECT_EQ(save(picture, "a.html", theme).substr(0, 15), "<!doctype html>");
    }
  }
}

TEST_F(Saved, SvgHoldsTextThatIsText) {
  const std::string svg = save(sample_picture(1, 12, 12), "a.svg");
  EXPECT_NE(svg.find(">internationalisation</text>"), std::string::npos);
  EXPECT_NE(svg.find("&lt;b&gt;&amp;&lt;/b&gt;</text>"), std::string::npos);
  EXPECT_EQ(svg.find('\033'), std::string::npos);
}

TEST_F(Saved, DifferencesHaveZeroInTheMiddleOfTheirColours) {
  const auto hex = [](Rgb c) { return fmt::format("{:02x}{:02x}{:02x}", c.red, c.green, c.blue); };
  Picture picture;
  picture.maps.push_back({.values = Tensor::from({-0.2f, 0, 0.4f}, {1, 3})});
  const std::string svg = save(picture, "a.svg");
  for (const float value : {-0.5f, 0.0f, 1.0f}) {
    EXPECT_NE(svg.find(hex(signed_color(value, Theme::light))), std::string::npos) << value;
  }
  EXPECT_NE(svg.find(">0.0</text>"), std::string::npos);  // of the legend
  EXPECT_NE(save(picture, "a.html").find(hex(signed_color(-1, Theme::dark))), std::string::npos);
}

TEST_F(Saved, PageNeedsNothingElseAndCannotBeBrokenByWords) {
  Picture picture = sample_picture(2, 12, 12);
  picture.title = "</script><script>alert(1)</script>";
  const std::string page = save(picture, "a.html", Theme::dark);
  EXPECT_NE(page.find("data-theme=\"dark\""), std::string::npos);
  EXPECT_EQ(page.find("alert(1)</script>"), std::string::npos);
  for (const char* remote : {"src=", "href=", "http://", "https://", "@import", "url("}) {
    EXPECT_EQ(page.find(remote), std::string::npos) << remote;
  }
  const std::string open = R"(<script type="application/json" id="data">)";
  const size_t begin = page.find(open) + open.size();
  const auto data =
      nlohmann::json::parse(page.substr(begin, page.find("</script>", begin) - begin));
  EXPECT_EQ(data["maps"].size(), 2U);
  EXPECT_EQ(data["maps"][0]["rows"].size(), 12U);
  EXPECT_EQ(data["title"], picture.title);
}

TEST_F(Saved, JsonReadsBackToTheBit) {
  Picture picture = sample_picture(2, 12, 11);
  picture.maps[0].values.at({2, 3}) = NAN;
  const auto json = nlohmann::json::parse(save(picture, "a.json"));
  for (size_t m = 0; m < 2; ++m) {
    EXPECT_EQ(json["maps"][m]["title"], picture.maps[m].title);
    for (int64_t r = 0; r < 12; ++r) {
      for (int64_t c = 0; c < 11; ++c) {
        const auto& value =
            json["maps"][m]["values"][static_cast<size_t>(r)][static_cast<size_t>(c)];
        if (m == 0 && r == 2 && c == 3) {
          EXPECT_TRUE(value.is_null());
        } else {
          EXPECT_EQ(value.get<float>(), picture.maps[m].values.at({r, c}));
        }
      }
    }
  }
}

TEST_F(Saved, CsvHasALineACellAndQuotesWhatNeedsIt) {
  Picture picture = sample_picture(1, 2, 2);
  picture.maps[0].title = "one";
  picture.maps[0].row_labels = {"a,\"b\"", "c"};
  picture.maps[0].column_labels = {"x", "y\nz"};
  picture.maps[0].values = Tensor::from({0.25f, 0.75f, 0.1f, 0.9f}, {2, 2});
  EXPECT_EQ(save(picture, "a.csv"),
            "map,row,column,row_label,column_label,value\n"
            "one,0,0,\"a,\"\"b\"\"\",x,0.25\n"
            "one,0,1,\"a,\"\"b\"\"\",\"y\nz\",0.75\n"
            "one,1,0,c,x,0.1\n"
            "one,1,1,c,\"y\nz\",0.9\n");
}

TEST_F(Saved, PooledMapsCarryTheirEdges) {
  Picture picture = sample_picture(2, 2, 2);
  for (HeatMap& map : picture.maps) {
    map.row_edges = {0, 3, 5};
    map.column_edges = {0, 1, 4};
  }
  const auto edges_in = [&](const std::string& name) {
    save(picture, "a.npz");
    std::vector<std::string> found;
    for (const auto& [array, values] : read_npz(folder_ / "a.npz")) {
      if (array.ends_with(name)) {
        found.push_back(array + " " + std::to_string(values.at<int64_t>({2})));
      }
    }
    return found;
  };
  EXPECT_EQ(edges_in("row_edges"), (std::vector<std::string>{"row_edges 5"}));
  EXPECT_EQ(edges_in("column_edges"), (std::vector<std::string>{"column_edges 4"}));
  picture.maps[1].row_edges = {0, 3, 6};  // of another text
  EXPECT_EQ(edges_in("row_edges"),
            (std::vector<std::string>{"maps0_row_edges 5", "maps1_row_edges 6"}));
  picture.maps[0].row_edges = picture.maps[0].column_edges = {};  // a short one
  EXPECT_EQ(edges_in("row_edges"), (std::vector<std::string>{"maps1_row_edges 6"}));
  EXPECT_EQ(edges_in("column_edges"), (std::vector<std::string>{"maps1_column_edges 4"}));
  const std::string csv = save(picture, "a.csv");
  EXPECT_NE(csv.find(",0,0,0-2,[CLS],"), std::string::npos) << csv;  // a run of one has its label
  EXPECT_NE(csv.find(",1,1,3-5,1-3,"), std::string::npos) << csv;
}

TEST_F(Saved, NpyReadsBackAndFillsSmallerMaps) {
  Picture picture = sample_picture(1, 3, 4);
  save(picture, "a.npy");
  const Tensor one = read_npy(folder_ / "a.npy");
  EXPECT_EQ(one.shape(), (Shape{3, 4}));
  EXPECT_EQ(one.at({2, 3}), picture.maps[0].values.at({2, 3}));
  picture.maps.push_back(testing::sample_map(2, 5));
  save(picture, "a.npy");
  const Tensor both = read_npy(folder_ / "a.npy");
  EXPECT_EQ(both.shape(), (Shape{2, 3, 5}));
  EXPECT_EQ(both.at({1, 1, 4}), picture.maps[1].values.at({1, 4}));
  EXPECT_TRUE(std::isnan(both.at({0, 0, 4})));
  EXPECT_TRUE(std::isnan(both.at({1, 2, 0})));
}

TEST_F(Saved, WrongEndingsAreNamed) {
  expect_error(ErrorCode::invalid_argument, {".png", ".npy", "'.jpg'"},
               [&] { save(sample_picture(1, 2, 2), "a.jpg"); });
  expect_error(ErrorCode::invalid_argument, {"no ending"},
               [&] { save(sample_picture(1, 2, 2), "picture"); });
}

TEST_F(Saved, FullDiskLeavesNoPartialFile) {
  for (const std::string ending : {".png", ".svg", ".pdf", ".html", ".json", ".csv", ".npy"}) {
    std::filesystem::create_symlink("/dev/full", folder_ / ("full" + ending));
    expect_error(ErrorCode::io_failure, {"full" + ending}, [&] {
      save_picture(sample_picture(1, 9, 9), folder_ / ("full" + ending), Theme::light);
    });
    std::filesystem::remove(folder_ / ("full" + ending));
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path())) << ending;
    expect_error(ErrorCode::not_found, {"no-folder"}, [&] {
      save_picture(sample_picture(1, 2, 2), folder_.path() / "no-folder" / ("a" + ending),
                   Theme::light);
    });
  }
}

TEST(Layout, LabelsOfNeighboursNeverOverlap) {
  for (const int64_t size : {2, 7, 20, 40, 100, 512, 3000}) {
    for (const int maps : {1, 2, 24}) {
      const int64_t rows = std::min<int64_t>(size, maps == 1 ? 600 : 40);
      const Layout layout = lay_out(sample_picture(maps, rows, size));
      for (const Panel& panel : layout.panels) {
        EXPECT_GE(panel.cell * static_cast<double>(panel.label_step), panel.label_size) << size;
        EXPECT_GE(panel.label_size, 8);
      }
      EXPECT_LT(layout.width, 3600);
    }
  }
}

TEST(Layout, ASmallMapBesideALargeOneStaysReadable) {
  Picture picture = sample_picture(2, 256, 256);
  picture.maps[0] = sample_picture(1, 2, 3).maps[0];
  const Layout both = lay_out(picture);
  EXPECT_GE(both.panels[0].cell, 20);
  EXPECT_LT(both.panels[1].cell, 5);
  EXPECT_GE(both.panels[1].x, both.panels[0].x + both.panels[0].width() + 100);
  picture.maps[1] = sample_picture(1, 20, 20).maps[0];
  const Layout alike = lay_out(picture);
  EXPECT_EQ(alike.panels[0].cell, alike.panels[1].cell);  // as words of two texts
}

TEST(Layout, ShrinkingKeepsTheLargest) {
  const Tensor values = Tensor::from({0.1f, 0.9f, 0.2f, 0.3f, 0.4f, NAN}, {2, 3});
  const Shrunk small = shrink(values, 1, 2);
  EXPECT_EQ(small.values.shape(), (Shape{1, 2}));
  EXPECT_EQ(small.values.at({0, 0}), 0.9f);
  EXPECT_EQ(small.values.at({0, 1}), 0.2f);
  const Tensor signs = Tensor::from({0.1f, -0.9f, NAN, NAN}, {2, 2});
  EXPECT_EQ(shrink(signs, 1, 1).values.at({0, 0}), -0.9f);
}

TEST(Layout, ManyMapsWithoutACommonLegendSayTheirRanges) {
  Picture picture = sample_picture(7, 3, 3);
  for (HeatMap& map : picture.maps) map.highest = 0.5f;
  EXPECT_EQ(lay_out(picture).panels[1].title.find(" to "), std::string::npos);
  picture.maps[1].title = "entropy";
  picture.maps[1].highest = 1.987f;
  EXPECT_NE(lay_out(picture).panels[1].title.find("0 to 1.99"), std::string::npos);
}

TEST(Layout, ManySmallMapsHaveRoomForTheirTitles) {
  Picture picture = sample_picture(8, 3, 3);
  for (size_t i = 0; i < picture.maps.size(); ++i) {
    picture.maps[i].title = fmt::format("batch row 0, head {}: weights", i);
    picture.maps[i].highest = 0.1f * static_cast<float>(i + 1);
  }
  const Layout layout = lay_out(picture);
  for (size_t i = 0; i < layout.panels.size(); ++i) {
    const Panel& panel = layout.panels[i];
    EXPECT_EQ(panel.title, fmt::format("{}, 0 to {:.1f}", picture.maps[i].title, 0.1 * (i + 1.0)));
    const double end = panel.x + text_width(panel.title, layout.title_size, true);
    EXPECT_LE(end, layout.width);
    if (i + 1 == layout.panels.size() || layout.panels[i + 1].y > panel.y) continue;
    EXPECT_GE(layout.panels[i + 1].x, end) << i;
  }
  for (HeatMap& map : picture.maps) map.title.clear();
  EXPECT_EQ(lay_out(picture).panels[1].title, "0 to 0.2");
}

TEST(Layout, RangesComeFromFiniteValues) {
  HeatMap map;
  map.values = Tensor::from({-2, 5, -INFINITY, NAN}, {2, 2});
  EXPECT_EQ(value_range(map), (ValueRange{-5, 5}));  // 0 in the middle
  map.values = Tensor::from({-2, 1}, {1, 2});
  EXPECT_EQ(value_range(map), (ValueRange{-2, 2}));
  map.values = Tensor::from({-1e-7f, 0.5f}, {1, 2});  // of rounding
  EXPECT_EQ(value_range(map), (ValueRange{0, 0.5f}));
  map.values = Tensor::from({0.5f, 0.25f}, {1, 2});
  EXPECT_EQ(value_range(map), (ValueRange{0, 0.5f}));
  map.values = Tensor::from({0, 0}, {1, 2});
  EXPECT_EQ(value_range(map), (ValueRange{0, 1}));
}

}  // namespace
}  // namespace heed
