#include "heed/lens/picture.h"

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/paths.h"
#include "heed/io/npy.h"
#include "heed/lens/canvas.h"
#include "heed/lens/labels.h"
#include "heed/lens/page.h"
#include "heed/lens/picture_data.h"

namespace heed {
namespace {

template <class MakeCanvas>
std::string drawn(const Picture& picture, Theme theme, MakeCanvas make) {
  const Layout layout = lay_out(picture);
  const auto canvas = make(layout.width, layout.height, clean_label(picture.title));
  draw_page(layout, theme, *canvas);
  return canvas->finish();
}

using Path = std::filesystem::path;

struct Format {
  std::string_view ending;
  void (*write)(const Picture&, const Path&, Theme);
};

constexpr Format kFormats[] = {
    {".png",
     [](const Picture& picture, const Path& path, Theme theme) {
       write_file(path, drawn(picture, theme, [](double width, double height, const std::string&) {
                    return png_canvas(width, height);
                  }));
     }},
    {".svg", [](const Picture& picture, const Path& path,
                Theme theme) { write_file(path, drawn(picture, theme, svg_canvas)); }},
    {".pdf", [](const Picture& picture, const Path& path,
                Theme theme) { write_file(path, drawn(picture, theme, pdf_canvas)); }},
    {".html", [](const Picture& picture, const Path& path,
                 Theme theme) { write_file(path, picture_html(picture, theme)); }},
    {".json", [](const Picture& picture, const Path& path,
                 Theme) { write_file(path, picture_json(picture)); }},
    {".csv", [](const Picture& picture, const Path& path,
                Theme) { write_file(path, picture_csv(picture)); }},
    {".npy", [](const Picture& picture, const Path& path,
                Theme) { write_npy(path, picture_array(picture)); }},
    {".npz", [](const Picture& picture, const Path& path, Theme) {
       write_npz(path, picture_arrays(picture));
     }}};

const Format& format_of(const std::filesystem::path& path) {
  const std::string ending = ending_of(path);
  for (const Format& format : kFormats) {
    if (ending == format.ending) return format;
  }
  throw Error(ErrorCode::invalid_argument,
              "save " + path.string() +
                  ": needed a name that ends in .png, .svg, .pdf, .html, .json, .csv, .npy or "
                  ".npz, "
                  "found " +
                  (ending.empty() ? "no ending" : "'" + ending + "'"));
}

}  // namespace

void check_picture_path(const std::filesystem::path& path) {
  format_of(path);
  check_writable(path);
}

void save_picture(const Picture& picture, const std::filesystem::path& path, Theme theme) {
  const Format& format = format_of(path);
  check_picture(picture);
  format.write(picture, path, theme);
}

}  // namespace heed
