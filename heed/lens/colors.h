#pragma once

#include <cstdint>

#include "heed/lens/picture.h"

namespace heed {

struct Rgb {
  uint8_t red = 0;
  uint8_t green = 0;
  uint8_t blue = 0;
  bool operator==(const Rgb&) const = default;
};

/// Colour of a value scaled to [0, 1] (clamped; NaN gives missing_color). Lightness in OKLab is
/// monotonic and equal steps in value are equal steps in colour: darker is higher in the light
/// theme, lighter is higher in the dark one.
Rgb heat_color(float value, Theme theme);
/// Colour of a value scaled to [-1, 1] (clamped; NaN gives missing_color): blue below 0, red above,
/// and 0 as what vanishes into the page. Lightness depends on the distance from 0 alone.
Rgb signed_color(float value, Theme theme);
constexpr int kSignedSteps = 127;  // colours on either side of 0
/// Colour of a value in a map's range: signed_color where the range has both signs.
Rgb heat_color(float value, const ValueRange& range, Theme theme);
/// What stands for a value that is not a number: a grey that no value has.
Rgb missing_color(Theme theme);
/// OKLab lightness in [0, 1] (Ottosson 2020).
double lightness(Rgb color);
/// Near-black or near-white, whichever reads better on that background.
Rgb ink_on(Rgb background);
/// Nearest of the 240 fixed colours (16 to 255) of a 256-colour terminal.
int ansi256(Rgb color);

/// The colours of a page beside the heat map's own.
struct PageColors {
  Rgb page;
  Rgb ink;
  Rgb faint;  // captions, ticks
  Rgb line;   // frames
  Rgb mark;   // outline of a marked row
};
const PageColors& page_colors(Theme theme);

}  // namespace heed
