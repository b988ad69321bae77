#include "heed/lens/picture_data.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "heed/io/csv.h"
#include "heed/lens/labels.h"

namespace heed {
namespace {

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string quoted(const std::vector<std::string>& texts) {
  return nlohmann::json(texts).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void append_values(std::string& out, const Tensor& values) {
  out += '[';
  for (int64_t r = 0; r < values.size(0); ++r) {
    out += r > 0 ? ",\n[" : "[";
    for (int64_t c = 0; c < values.size(1); ++c) {
      const float value = values.at({r, c});
      if (c > 0) out += ',';
      if (std::isfinite(value)) {
        fmt::format_to(std::back_inserter(out), "{}", value);
      } else {
        out += "null";
      }
    }
    out += ']';
  }
  out += ']';
}

}  // namespace

std::string picture_json(const Picture& picture) {
  std::string out = fmt::format("{{\"title\":{},\"caption\":{},\"maps\":[", quoted(picture.title),
                                quoted(picture.caption));
  for (size_t i = 0; i < picture.maps.size(); ++i) {
    const HeatMap& map = picture.maps[i];
    fmt::format_to(std::back_inserter(out), "{}\n{{\"title\":{},", i > 0 ? "," : "",
                   quoted(map.title));
    if (!map.group.empty()) out += "\"text\":" + quoted(map.group) + ",";
    if (map.layer) out += fmt::format("\"layer\":{},", *map.layer);
    if (map.head) out += fmt::format("\"head\":{},", *map.head);
    out += "\"rows\":" + quoted(map.row_labels) + ",\"columns\":" + quoted(map.column_labels);
    if (!map.row_edges.empty()) {
      fmt::format_to(std::back_inserter(out), ",\"row_edges\":[{}],\"column_edges\":[{}]",
                     fmt::join(map.row_edges, ","), fmt::join(map.column_edges, ","));
    }
    if (!map.cells.empty()) out += ",\"cells\":" + quoted(map.cells);
    out += ",\"values\":";
    append_values(out, map.values);
    out += '}';
  }
  return out + "]}\n";
}

std::string picture_csv(const Picture& picture) {
  const bool says =
      std::ranges::any_of(picture.maps, [](const HeatMap& m) { return !m.cells.empty(); });
  std::string out = "map,row,column,row_label,column_label,value";
  out += says ? ",cell\n" : "\n";
  const auto label = [](const std::vector<std::string>& labels, int64_t i) {
    return labels.empty() ? std::string() : csv_cell(labels[static_cast<size_t>(i)]);
  };
  for (const HeatMap& map : picture.maps) {
    const std::string title = csv_cell(map.title);
    const auto labels_of = [](const auto& labels, const auto& edges) {
      return edges.empty() ? labels : run_labels(edges, labels);
    };
    const std::vector<std::string> rows = labels_of(map.row_labels, map.row_edges);
    const std::vector<std::string> columns = labels_of(map.column_labels, map.column_edges);
    for (int64_t r = 0; r < map.values.size(0); ++r) {
      const std::string row_label = label(rows, r);
      for (int64_t c = 0; c < map.values.size(1); ++c) {
        fmt::format_to(std::back_inserter(out), "{},{},{},{},{},{}", title, r, c, row_label,
                       label(columns, c), map.values.at({r, c}));
        if (says) out += "," + label(map.cells, r * map.values.size(1) + c);
        out += '\n';
      }
    }
  }
  return out;
}

Tensor picture_array(const Picture& picture) {
  int64_t rows = 0;
  int64_t columns = 0;
  for (const HeatMap& map : picture.maps) {
    rows = std::max(rows, map.values.size(0));
    columns = std::max(columns, map.values.size(1));
  }
  const auto maps = static_cast<int64_t>(picture.maps.size());
  const Tensor out = Tensor::full({maps, rows, columns}, std::numeric_limits<float>::quiet_NaN());
  for (int64_t i = 0; i < maps; ++i) {
    const Tensor& values = picture.maps[static_cast<size_t>(i)].values;
    for (int64_t r = 0; r < values.size(0); ++r) {
      for (int64_t c = 0; c < values.size(1); ++c) out.at({i, r, c}) = values.at({r, c});
    }
  }
  return maps == 1 ? out.select(0, 0) : out;
}

NamedTensors picture_arrays(const Picture& picture) {
  NamedTensors arrays{{"maps", picture_array(picture)}};
  const auto add = [&](const std::string& name, const std::vector<int64_t>& edges) {
    if (!edges.empty()) arrays.emplace_back(name, Tensor::from(edges, {std::ssize(edges)}));
  };
  const std::vector<HeatMap>& maps = picture.maps;
  const bool alike = std::ranges::all_of(maps, [&](const HeatMap& map) {
    return map.row_edges == maps[0].row_edges && map.column_edges == maps[0].column_edges;
  });
  for (size_t i = 0; i < (alike ? std::min<size_t>(1, maps.size()) : maps.size()); ++i) {
    const std::string of = alike ? "" : fmt::format("maps{}_", i);
    add(of + "row_edges", maps[i].row_edges);
    add(of + "column_edges", maps[i].column_edges);
  }
  return arrays;
}

}  // namespace heed
