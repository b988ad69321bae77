#include "cli/picture_options.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/command.h"
#include "cli/terminal.h"
#include "heed/base/log.h"
#include "heed/base/paths.h"
#include "heed/io/npy.h"
#include "heed/lens/picture_data.h"

namespace heed::cli {

void add_save_options(CLI::App& command, PictureOptions& options, const std::string& more) {
  command
      .add_option("--save", options.save,
                  "Write the maps to a file that ends in .png, .svg, .pdf, .html, .json, .csv, "
                  ".npy or .npz." +
                      (more.empty() ? "" : " " + more))
      ->type_name("FILE")
      ->check(not_empty("FILE"));
  command
      .add_option("--theme", options.theme,
                  "Colours: light (darker is more) or dark (lighter is more); default: light for "
                  "files, dark for terminals.")
      ->type_name("light|dark")
      ->check(CLI::IsMember({"light", "dark"}));
}

void add_picture_options(CLI::App& command, PictureOptions& options, const std::string& more) {
  add_save_options(command, options, more);
  command.add_flag("--numbers", options.numbers, "Print each square's number.");
}

void save_if_asked(const PictureOptions& options, const Picture& picture,
                   const NamedTensors& arrays) {
  if (options.save.empty()) return;
  if (ending_of(options.save) == ".npz") {
    NamedTensors all = picture_arrays(picture);
    all.insert(all.end(), arrays.begin(), arrays.end());
    write_npz(options.save, all);
  } else {
    save_picture(picture, options.save, options.file_theme());
  }
  log(LogLevel::info, "wrote " + options.save);
}

TerminalStyle style_for_output(const PictureOptions& options, const Context& context) {
  TerminalStyle style = terminal_style(context.no_color);
  style.numbers = options.numbers;
  style.theme = options.theme.empty()      ? terminal_theme()
                : options.theme == "light" ? Theme::light
                                           : Theme::dark;
  return style;
}

}  // namespace heed::cli
