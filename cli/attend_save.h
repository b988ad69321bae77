#pragma once

#include <filesystem>

#include "heed/io/npy.h"
#include "heed/tasks/attend.h"

namespace heed::cli {

/// Where the pictures' rows and columns lie.
struct AttendDrawing {
  std::string map;  // "map256", whose mean is drawn; or empty
  AttendTile tile;  // of the array "tile"
};

/// Throws Error invalid_argument for an ending that save_attend does not know, or for a picture of
/// arrays without a map or tile: to ask before long work.
void check_attend_ending(const std::filesystem::path& path, bool draws);

/// Writes arrays by the ending: .npz; .json, an object of nested lists; .csv, a line an element
/// (name, up to four indices, value); .png .svg .pdf .html, the mean map and the tile of every
/// head. NaN and infinities are null in .json.
void save_attend(const NamedTensors& arrays, const AttendDrawing& drawing,
                 const std::filesystem::path& path);

}  // namespace heed::cli
