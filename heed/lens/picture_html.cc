#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "heed/base/base64.h"
#include "heed/base/error.h"
#include "heed/base/html.h"
#include "heed/lens/colors.h"
#include "heed/lens/html_page.h"
#include "heed/lens/labels.h"
#include "heed/lens/picture_data.h"

namespace heed {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kMostExact = 2'000'000;  // values of a page; more are stored in 16 bits each
constexpr float kLevels = 65534;           // 65535 stands for NaN

template <class T>
std::string base64_of(const std::vector<T>& values) {
  return base64({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
}

void add_values(Json& json, const Tensor& values, bool exact) {
  const Tensor flat = values.contiguous();
  const auto all = flat.span<const float>();
  if (exact) {
    json["kind"] = "f32";
    json["values"] = base64_of(std::vector<float>(all.begin(), all.end()));
    return;
  }
  float from = 0;
  float to = 0;
  for (const float value : all) {
    if (!std::isfinite(value)) continue;
    from = std::min(from, value);
    to = std::max(to, value);
  }
  std::vector<uint16_t> levels;
  levels.reserve(all.size());
  for (const float value : all) {
    const float level = to > from ? (std::clamp(value, from, to) - from) / (to - from) : 0;
    levels.push_back(std::isnan(value) ? 65535
                                       : static_cast<uint16_t>(std::lround(level * kLevels)));
  }
  json["kind"] = "u16";
  json["from"] = from;
  json["to"] = to;
  json["values"] = base64_of(levels);
}

Json map_json(const HeatMap& map, bool exact) {
  const ValueRange range = value_range(map);
  Json json;
  json["title"] = clean_label(map.title);
  if (!map.group.empty()) json["text"] = clean_label(map.group);
  if (map.layer) json["layer"] = *map.layer;
  if (map.head) json["head"] = *map.head;
  json["rows"] = Json::array();
  for (const std::string& label : map.row_labels) json["rows"].push_back(clean_label(label));
  json["columns"] = Json::array();
  for (const std::string& label : map.column_labels) json["columns"].push_back(clean_label(label));
  if (!map.cells.empty()) {
    json["cells"] = Json::array();
    for (const std::string& cell : map.cells) json["cells"].push_back(clean_label(cell));
  }
  json["rowCount"] = map.values.size(0);
  json["columnCount"] = map.values.size(1);
  json["marked"] = map.marked_rows;
  json["lowest"] = range.lowest;
  json["highest"] = range.highest;
  add_values(json, map.values, exact);
  return json;
}

// Text that may stand inside HTML and inside a script element: no '<' and '&' of its own.
std::string inert(const std::string& json) {
  std::string out;
  for (const char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

/// The colours of a range from its lowest value to its highest, six hexadecimal digits each.
std::string color_table(const ValueRange& range, int steps, Theme theme) {
  std::string out;
  for (int i = 0; i <= steps; ++i) {
    const float share = static_cast<float>(i) / static_cast<float>(steps);
    const Rgb c = heat_color(range.lowest + share * (range.highest - range.lowest), range, theme);
    out += fmt::format("{:02x}{:02x}{:02x}", c.red, c.green, c.blue);
  }
  return out;
}

std::string signed_table(Theme theme) { return color_table({-1, 1}, 2 * kSignedSteps, theme); }

}  // namespace

std::string picture_html(const Picture& picture, Theme theme) {
  int64_t count = 0;
  for (const HeatMap& map : picture.maps) count += map.values.numel();
  Json data;
  data["title"] = clean_label(picture.title);
  data["caption"] = clean_label(picture.caption);
  data["maps"] = Json::array();
  for (const HeatMap& map : picture.maps) {
    data["maps"].push_back(map_json(map, count <= kMostExact));
  }
  const std::pair<std::string_view, std::string> fills[] = {
      {"@THEME@", theme == Theme::dark ? "dark" : "light"},
      {"@TITLE@", html_escaped(clean_label(picture.title))},
      {"@DATA@", inert(data.dump())},
      {"@COLORS@", color_table({0, 1}, 255, Theme::dark)},
      {"@SIGNED_LIGHT@", signed_table(Theme::light)},
      {"@SIGNED_DARK@", signed_table(Theme::dark)}};
  std::string out;
  std::string_view rest = kHtmlPage;
  for (const auto& [mark, content] : fills) {
    const size_t at = rest.find(mark);
    HEED_ASSERT(at != std::string_view::npos);
    out.append(rest.substr(0, at));
    out += content;
    rest.remove_prefix(at + mark.size());
  }
  return out + std::string(rest);
}

}  // namespace heed
