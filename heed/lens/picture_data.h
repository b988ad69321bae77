#pragma once

#include <string>

#include "heed/lens/picture.h"
#include "heed/tensor/named_tensors.h"

namespace heed {

/// {"title", "caption", "maps": [{"title", "rows", "columns", "values": [[...]]}]}, of pooled maps
/// "row_edges" and "column_edges"; numbers with
/// enough digits to read back the same f32, null for NaN and infinities.
std::string picture_json(const Picture& picture);
/// A line a cell: map, row, column, row_label, column_label, value (RFC 4180); labels of pooled
/// maps are their runs, "0-15".
std::string picture_csv(const Picture& picture);
/// [maps, R, C], or [R, C] for one map; smaller maps filled with NaN.
Tensor picture_array(const Picture& picture);
/// The same as "maps"; of pooled maps "row_edges" and "column_edges", or where maps differ in them
/// "maps0_row_edges" and so on of each that has them.
NamedTensors picture_arrays(const Picture& picture);
/// One page that needs nothing else: selectors, hover, keyboard, light and dark.
std::string picture_html(const Picture& picture, Theme theme);

}  // namespace heed
