#pragma once

#include <string>

#include "heed/lens/picture.h"
#include "heed/tensor/named_tensors.h"

namespace CLI {
class App;
}

namespace heed::cli {

struct Context;

/// What --save, --theme and --numbers were set to, for commands that draw.
struct PictureOptions {
  std::string save;   // the file's name; empty: none
  std::string theme;  // empty: light for files, the terminal's for the terminal
  bool numbers = false;

  Theme file_theme() const { return theme == "dark" ? Theme::dark : Theme::light; }
};

/// Adds --save and --theme; `more` is a further sentence on what --save writes.
void add_save_options(CLI::App& command, PictureOptions& options, const std::string& more = "");
/// Adds the three; `more` is a further sentence on what --save writes.
void add_picture_options(CLI::App& command, PictureOptions& options, const std::string& more = "");

/// Writes the picture to --save, if given, and logs that it did. A .npz holds the arrays as well.
void save_if_asked(const PictureOptions& options, const Picture& picture,
                   const NamedTensors& arrays = {});

/// How to draw on standard output.
TerminalStyle style_for_output(const PictureOptions& options, const Context& context);

}  // namespace heed::cli
