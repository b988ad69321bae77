#include "heed/lens/picture.h"

#include <algorithm>

#include "heed/base/error.h"
#include "heed/base/file.h"
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

}  // namespace

void save_picture(const Picture& picture, const std::filesystem::path& path, Theme theme) {
  check_picture(picture);
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (ending == ".png") {
    write_file(path, drawn(picture, theme, [](double w, double h, const std::string&) {
                 return png_canvas(w, h);
               }));
  } else if (ending == ".svg") {
    write_file(path, drawn(picture, theme, svg_canvas));
  } else if (ending == ".pdf") {
    write_file(path, drawn(picture, theme, pdf_canvas));
  } else if (ending == ".html") {
    write_file(path, picture_html(picture, theme));
  } else if (ending == ".json") {
    write_file(path, picture_json(picture));
  } else if (ending == ".csv") {
    write_file(path, picture_csv(picture));
  } else if (ending == ".npy") {
    write_npy(path, picture_array(picture));
  } else {
    throw Error(ErrorCode::invalid_argument,
                "save " + path.string() +
                    ": needed a name that ends in .png, .svg, .pdf, .html, .json, .csv or .npy, "
                    "found " +
                    (ending.empty() ? "no ending" : "'" + ending + "'"));
  }
}

}  // namespace heed
