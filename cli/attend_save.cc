#include "cli/attend_save.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string>
#include <vector>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/lens/labels.h"
#include "heed/lens/picture.h"
#include "heed/lens/pooled_map.h"

namespace heed::cli {
namespace {

constexpr std::array<std::string_view, 3> kArrays{".npz", ".json", ".csv"};
constexpr std::array<std::string_view, 4> kPictures{".png", ".svg", ".pdf", ".html"};

bool one_of(const auto& endings, const std::string& ending) {
  return std::find(endings.begin(), endings.end(), ending) != endings.end();
}

/// Numbers of an array as text, in order: f32 with the fewest digits that read back as the same.
class Numbers {
 public:
  explicit Numbers(const Tensor& array)
      : values_(array.dtype() == DType::i64 ? array.contiguous()
                                            : array.to(DType::f32).contiguous()) {}

  void append(std::string& text, int64_t i, std::string_view not_finite) const {
    if (values_.dtype() == DType::i64) {
      fmt::format_to(std::back_inserter(text), "{}", values_.data<int64_t>()[i]);
    } else if (const float x = values_.data<float>()[i]; std::isfinite(x)) {
      fmt::format_to(std::back_inserter(text), "{}", x);
    } else if (not_finite.empty()) {
      text += std::isnan(x) ? "nan" : x > 0 ? "inf" : "-inf";
    } else {
      text += not_finite;
    }
  }

 private:
  Tensor values_;
};

/// Gives what is in text to the file once it is much.
void pass_on(std::string& text, AtomicFile& file, size_t much = size_t{1} << 20) {
  if (text.size() < much) return;
  file.write(std::string_view(text));
  text.clear();
}

void save_json(const NamedTensors& arrays, AtomicFile& file) {
  std::string text = "{";
  for (const auto& [name, array] : arrays) {
    text += (&array == &arrays.front().second ? "\"" : ",\"") + name + "\":";
    const Numbers numbers(array);
    const int rank = array.rank();
    if (array.numel() == 0) text += "[]";
    for (int64_t i = 0; i < array.numel(); ++i) {
      // Brackets open and close where a dimension's run begins and ends.
      int64_t run = 1;
      std::string opened, closed;
      for (int d = rank - 1; d >= 0; --d) {
        run *= array.size(d);
        if (i % run == 0) opened += '[';
        if ((i + 1) % run == 0) closed += ']';
      }
      if (i > 0) text += ',';
      text += opened;
      numbers.append(text, i, "null");
      text += closed;
      pass_on(text, file);
    }
  }
  text += "}\n";
  pass_on(text, file, 0);
}

void save_csv(const NamedTensors& arrays, AtomicFile& file) {
  std::string text = "name,i0,i1,i2,i3,value\n";
  for (const auto& [name, array] : arrays) {
    const Numbers numbers(array);
    for (int64_t i = 0; i < array.numel(); ++i) {
      text += name;
      int64_t run = array.numel();
      for (int d = 0; d < 4; ++d) {
        text += ',';
        if (d >= array.rank()) continue;
        const int64_t before = run;
        run /= array.size(d);
        fmt::format_to(std::back_inserter(text), "{}", i % before / run);
      }
      text += ',';
      numbers.append(text, i, "");
      text += '\n';
      pass_on(text, file);
    }
  }
  pass_on(text, file, 0);
}

std::vector<int64_t> edges_of_each(AttentionRange range) {
  std::vector<int64_t> edges;
  for (int64_t i = range.begin; i <= range.end; ++i) edges.push_back(i);
  return edges;
}

/// values [B, H, rows, columns], a map a head.
void add_maps(const Tensor& values, const std::string& what, const std::vector<int64_t>& rows,
              const std::vector<int64_t>& columns, Picture& picture) {
  for (int64_t b = 0; b < values.size(0); ++b) {
    for (int64_t h = 0; h < values.size(1); ++h) {
      const std::string row = values.size(0) > 1 ? fmt::format("batch row {}, ", b) : "";
      picture.maps.push_back({.title = fmt::format("{}head {}: {}", row, h, what),
                              .values = values.select(0, b).select(0, h),
                              .row_labels = run_labels(rows),
                              .column_labels = run_labels(columns),
                              .row_axis = "looks (query)",
                              .column_axis = "looked at (key)",
                              .head = static_cast<int>(h)});
    }
  }
}

Picture draw(const NamedTensors& arrays, const AttendDrawing& drawing) {
  Picture picture{.title = "Where queries look"};
  const auto find = [&](const std::string& name) { return find_tensor(arrays, name); };
  if (const Tensor mean = find(drawing.map + "_mean"); mean.defined()) {
    add_maps(mean, "mean weights", edges_of(find(drawing.map + "_row_edges")),
             edges_of(find(drawing.map + "_key_edges")), picture);
  }
  if (const Tensor tile = find("tile"); tile.defined()) {
    add_maps(tile, "weights", edges_of_each(drawing.tile.rows), edges_of_each(drawing.tile.keys),
             picture);
  }
  return picture;
}

}  // namespace

void check_attend_ending(const std::filesystem::path& path, bool draws) {
  const std::string ending = ending_of(path);
  if (one_of(kArrays, ending)) return;
  if (!one_of(kPictures, ending)) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("--save {}: the ending must be .npz, .json, .csv, or for pictures .png, "
                    ".svg, .pdf or .html",
                    in_quotes(path.string())));
  }
  if (draws) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("--save {}: needed --report map64 (or another size) or --tile to draw, "
                          "found neither",
                          in_quotes(path.string())));
}

void save_attend(const NamedTensors& arrays, const AttendDrawing& drawing,
                 const std::filesystem::path& path) {
  const std::string ending = ending_of(path);
  if (ending == ".npz") return write_npz(path, arrays);
  if (one_of(kPictures, ending)) return save_picture(draw(arrays, drawing), path, Theme::light);
  AtomicFile file(path);
  ending == ".json" ? save_json(arrays, file) : save_csv(arrays, file);
  file.commit();
}

}  // namespace heed::cli
