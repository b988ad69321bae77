#pragma once

#include "heed/lens/canvas.h"
#include "heed/lens/layout.h"

namespace heed {

/// Draws a measured page.
void draw_page(const Layout& layout, Theme theme, Canvas& canvas);

}  // namespace heed
