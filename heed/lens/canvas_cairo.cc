#include <cairo-pdf.h>
#include <cairo.h>

#include <cmath>
#include <numbers>

#include "heed/base/error.h"
#include "heed/lens/canvas.h"

namespace heed {
namespace {

constexpr double kPixelsPerPoint = 2;
constexpr const char* kFont = "DejaVu Sans";

void check(cairo_status_t status) {
  if (status == CAIRO_STATUS_SUCCESS) return;
  const auto code =
      status == CAIRO_STATUS_NO_MEMORY ? ErrorCode::out_of_memory : ErrorCode::invalid_argument;
  throw Error(code,
              std::string("picture: Cairo cannot draw it: ") + cairo_status_to_string(status));
}

struct Free {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
  void operator()(cairo_t* context) const { cairo_destroy(context); }
};
using Surface = std::unique_ptr<cairo_surface_t, Free>;
using Context = std::unique_ptr<cairo_t, Free>;

cairo_status_t append(void* out, const unsigned char* bytes, unsigned int size) {
  static_cast<std::string*>(out)->append(reinterpret_cast<const char*>(bytes), size);
  return CAIRO_STATUS_SUCCESS;
}

// Letters are placed by their true widths: hinted ones differ between media and scales.
void select_font(cairo_t* context, double size, bool bold) {
  cairo_select_font_face(context, kFont, CAIRO_FONT_SLANT_NORMAL,
                         bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(context, size);
  cairo_font_options_t* options = cairo_font_options_create();
  cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
  cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
  cairo_set_font_options(context, options);
  cairo_font_options_destroy(options);
}

Surface pixel_surface(int64_t rows, int64_t columns, const std::vector<Rgb>& pixels) {
  Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(columns),
                                             static_cast<int>(rows)));
  check(cairo_surface_status(surface.get()));
  unsigned char* data = cairo_image_surface_get_data(surface.get());
  const int stride = cairo_image_surface_get_stride(surface.get());
  for (int64_t r = 0; r < rows; ++r) {
    auto* line = reinterpret_cast<uint32_t*>(data + r * stride);
    for (int64_t c = 0; c < columns; ++c) {
      const Rgb& p = pixels[static_cast<size_t>(r * columns + c)];
      line[c] = uint32_t{p.red} << 16 | uint32_t{p.green} << 8 | p.blue;
    }
  }
  cairo_surface_mark_dirty(surface.get());
  return surface;
}

std::string png_bytes(cairo_surface_t* surface) {
  std::string bytes;
  check(cairo_surface_write_to_png_stream(surface, append, &bytes));
  return bytes;
}

class CairoCanvas : public Canvas {
 public:
  void rectangle(const Box& box, Rgb fill, std::string_view /*tip*/) override {
    set_color(fill);
    cairo_rectangle(context_.get(), box.x, box.y, box.width, box.height);
    cairo_fill(context_.get());
  }

  void outline(const Box& box, Rgb color, double line_width) override {
    set_color(color);
    cairo_set_line_width(context_.get(), line_width);
    cairo_rectangle(context_.get(), box.x, box.y, box.width, box.height);
    cairo_stroke(context_.get());
  }

  void line(const std::vector<Point>& points, Rgb color, double line_width) override {
    set_color(color);
    cairo_set_line_width(context_.get(), line_width);
    cairo_set_line_join(context_.get(), CAIRO_LINE_JOIN_ROUND);
    cairo_new_path(context_.get());  // text leaves a current point
    for (const Point& point : points) cairo_line_to(context_.get(), point.x, point.y);
    cairo_stroke(context_.get());
  }

  void text(double x, double y, std::string_view text, const TextStyle& style) override {
    const double width = text_width(text, style.size, style.bold);
    cairo_t* c = context_.get();
    cairo_save(c);
    cairo_translate(c, x, y);
    cairo_rotate(c, -style.degrees * std::numbers::pi / 180);
    cairo_move_to(c,
                  style.anchor == Anchor::start ? 0
                  : style.anchor == Anchor::end ? -width
                                                : -width / 2,
                  0);
    select_font(c, style.size, style.bold);
    set_color(style.color);
    cairo_show_text(c, std::string(text).c_str());
    cairo_restore(c);
  }

  void image(const Box& box, int64_t rows, int64_t columns,
             const std::vector<Rgb>& pixels) override {
    if (rows == 0 || columns == 0) return;
    const Surface source = pixel_surface(rows, columns, pixels);
    cairo_t* c = context_.get();
    cairo_save(c);
    cairo_translate(c, box.x, box.y);
    cairo_scale(c, box.width / static_cast<double>(columns),
                box.height / static_cast<double>(rows));
    cairo_set_source_surface(c, source.get(), 0, 0);
    cairo_pattern_set_filter(cairo_get_source(c), CAIRO_FILTER_NEAREST);
    cairo_rectangle(c, 0, 0, static_cast<double>(columns), static_cast<double>(rows));
    cairo_fill(c);
    cairo_restore(c);
  }

 protected:
  void draw_on(Surface surface) {
    check(cairo_surface_status(surface.get()));
    surface_ = std::move(surface);
    context_.reset(cairo_create(surface_.get()));
    check(cairo_status(context_.get()));
  }

  Surface surface_;
  Context context_;

 private:
  void set_color(Rgb color) {
    cairo_set_source_rgb(context_.get(), color.red / 255.0, color.green / 255.0,
                         color.blue / 255.0);
  }
};

class PngCanvas : public CairoCanvas {
 public:
  PngCanvas(double width, double height) {
    draw_on(Surface(cairo_image_surface_create(
        CAIRO_FORMAT_RGB24, static_cast<int>(std::ceil(width * kPixelsPerPoint)),
        static_cast<int>(std::ceil(height * kPixelsPerPoint)))));
    cairo_scale(context_.get(), kPixelsPerPoint, kPixelsPerPoint);
  }
  std::string finish() override {
    check(cairo_status(context_.get()));
    return png_bytes(surface_.get());
  }
};

class PdfCanvas : public CairoCanvas {
 public:
  PdfCanvas(double width, double height, const std::string& title) {
    draw_on(Surface(cairo_pdf_surface_create_for_stream(append, &bytes_, width, height)));
    cairo_pdf_surface_set_metadata(surface_.get(), CAIRO_PDF_METADATA_TITLE, title.c_str());
    cairo_pdf_surface_set_metadata(surface_.get(), CAIRO_PDF_METADATA_CREATOR, "Heed");
  }
  ~PdfCanvas() override { close(); }  // the surface writes to bytes_, which goes before it
  PdfCanvas(const PdfCanvas&) = delete;
  PdfCanvas& operator=(const PdfCanvas&) = delete;

  std::string finish() override {
    check(cairo_status(context_.get()));
    close();
    check(cairo_surface_status(surface_.get()));
    return std::move(bytes_);
  }

 private:
  void close() { cairo_surface_finish(surface_.get()); }
  std::string bytes_;
};

}  // namespace

std::unique_ptr<Canvas> png_canvas(double width, double height) {
  return std::make_unique<PngCanvas>(width, height);
}

std::unique_ptr<Canvas> pdf_canvas(double width, double height, const std::string& title) {
  return std::make_unique<PdfCanvas>(width, height, title);
}

std::string encode_png(int64_t rows, int64_t columns, const std::vector<Rgb>& pixels) {
  return png_bytes(pixel_surface(rows, columns, pixels).get());
}

double text_width(std::string_view text, double size, bool bold) {
  // Measuring needs a context; one a thread, since Cairo's are not to be shared.
  thread_local const Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, 1, 1));
  thread_local const Context context(cairo_create(surface.get()));
  select_font(context.get(), size, bold);
  cairo_text_extents_t extents;
  cairo_text_extents(context.get(), std::string(text).c_str(), &extents);
  check(cairo_status(context.get()));
  return extents.x_advance;
}

}  // namespace heed
