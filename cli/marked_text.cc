#include "cli/marked_text.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>

#include "heed/base/html.h"
#include "heed/base/message.h"
#include "heed/lens/colors.h"

namespace heed::cli {
namespace {

// Lightness near 0.85: near-black text reads on all of them.
constexpr std::array<Rgb, 8> kBackgrounds = {{{255, 214, 126},
                                              {160, 214, 255},
                                              {190, 232, 160},
                                              {255, 188, 188},
                                              {214, 196, 255},
                                              {150, 228, 218},
                                              {255, 196, 236},
                                              {220, 220, 180}}};

/// The same one for a label wherever it stands (FNV-1a).
Rgb background_of(std::string_view label) {
  uint32_t hash = 2166136261;
  for (const char c : label) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619;
  return kBackgrounds[hash % kBackgrounds.size()];
}

std::string_view part(std::string_view text, int64_t begin, int64_t end) {
  return text.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
}

/// The text from mark to mark: plain(part) and marked(part, label).
template <class Plain, class Marked>
void walk(std::string_view text, const std::vector<Mark>& marks, const Plain& plain,
          const Marked& marked) {
  int64_t at = 0;
  for (const Mark& mark : marks) {
    plain(part(text, at, mark.bytes.start));
    marked(part(text, mark.bytes.start, mark.bytes.end), mark.label);
    at = mark.bytes.end;
  }
  plain(part(text, at, std::ssize(text)));
}

constexpr const char* kHead = R"(<!doctype html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{0}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.9 system-ui, sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em }}
p {{ white-space: pre-wrap }}
mark {{ color: #111; padding: .15em .35em; border-radius: .3em }}
mark small {{ font-weight: 600; opacity: .7; margin-left: .5em }}
</style></head><body>
<h1>{0}</h1>
)";

}  // namespace

std::string marked_line(std::string_view text, const std::vector<Mark>& marks, Colors colors) {
  std::string line;
  walk(
      text, marks, [&](std::string_view plain) { line += printable(plain); },
      [&](std::string_view marked, const std::string& label) {
        if (colors == Colors::none) {
          line += fmt::format("[{} {}]", printable(marked), printable(label));
          return;
        }
        const Rgb back = background_of(label);
        const std::string code =
            colors == Colors::truecolor
                ? fmt::format("\033[48;2;{};{};{};38;2;17;17;17m", back.red, back.green, back.blue)
                : fmt::format("\033[48;5;{};38;5;16m", ansi256(back));
        line += fmt::format("{}{} \033[1m{}\033[0m", code, printable(marked), printable(label));
      });
  return line;
}

MarkedPage::MarkedPage(std::string_view title) : html_(fmt::format(kHead, html_escaped(title))) {}

void MarkedPage::add(std::string_view text, const std::vector<Mark>& marks) {
  html_ += "<p>";
  walk(
      text, marks, [&](std::string_view plain) { html_ += html_escaped(plain); },
      [&](std::string_view marked, const std::string& label) {
        const Rgb back = background_of(label);
        html_ +=
            fmt::format("<mark style=\"background:#{:02x}{:02x}{:02x}\">{}<small>{}</small></mark>",
                        back.red, back.green, back.blue, html_escaped(marked), html_escaped(label));
      });
  html_ += "</p>\n";
}

std::string MarkedPage::finish() && {
  html_ += "</body></html>\n";
  return std::move(html_);
}

}  // namespace heed::cli
