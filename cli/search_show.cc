#include "cli/search_show.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/command.h"
#include "cli/json_out.h"
#include "cli/terminal.h"
#include "heed/base/message.h"
#include "heed/lens/labels.h"

namespace heed::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBold = "\033[1;33m";
constexpr const char* kPlace = "\033[36m";
constexpr const char* kEnd = "\033[0m";
constexpr int kIndent = 3;

/// As the user would name it: from the current folder, if it lies in there.
std::string short_path(const std::string& path) {
  std::error_code error;
  const std::string here = fs::current_path(error).string();
  if (error || !path.starts_with(here + "/")) return path;
  return path.substr(here.size() + 1);
}

/// What stands between white space in the text, as it is shown, and its columns without colours.
struct Piece {
  std::string shown;
  int columns;
};

std::vector<Piece> pieces_of(const std::string& text, const std::vector<Span>& shown, bool color) {
  std::vector<Piece> pieces;
  constexpr std::string_view kSpaces = " \t\n\v\f\r";
  auto mark = shown.begin();
  for (size_t at = text.find_first_not_of(kSpaces); at < text.size();) {
    const size_t end = std::min(text.find_first_of(kSpaces, at), text.size());
    std::string out;
    int columns = 0;
    const auto add = [&](size_t to) {
      const std::string part = printable(std::string_view(text).substr(at, to - at));
      columns += display_width(part);
      out += part;
      at = to;
    };
    for (; mark != shown.end() && static_cast<size_t>(mark->end) <= end; ++mark) {
      add(static_cast<size_t>(mark->start));
      if (color) out += kBold;
      add(static_cast<size_t>(mark->end));
      if (color) out += kEnd;
    }
    add(end);
    pieces.push_back({std::move(out), columns});
    at = text.find_first_not_of(kSpaces, end);
  }
  return pieces;
}

OutJson as_json(const std::string& query, const std::vector<SearchHit>& hits,
                const std::vector<std::vector<Span>>& shown) {
  OutJson list = OutJson::array();
  for (size_t i = 0; i < hits.size(); ++i) {
    const SearchHit& hit = hits[i];
    OutJson one = {{"score", hit.score}, {"corpus_id", hit.corpus_id}};
    one["path"] = hit.path;
    one["line"] = hit.line;
    one["offsets"] = {hit.characters.start, hit.characters.end};
    one["byte_offsets"] = {hit.bytes.start, hit.bytes.end};
    one["text"] = hit.text;
    OutJson words = OutJson::array();
    for (const Span& span : shown[i]) {
      words.push_back(hit.text.substr(static_cast<size_t>(span.start),
                                      static_cast<size_t>(span.end - span.start)));
    }
    one["words"] = std::move(words);
    list.push_back(std::move(one));
  }
  return {{"query", query}, {"hits", std::move(list)}};
}

}  // namespace

HitPrinter::HitPrinter(const Context& context)
    : json_(context.json),
      color_(terminal_colors(stdout, context.no_color) != Colors::none),
      width_(terminal_width()) {}

void HitPrinter::print(const std::string& query, const std::vector<SearchHit>& hits,
                       const std::vector<std::vector<Span>>& shown) {
  if (json_) return print_json(as_json(query, hits, shown));
  if (!first_) cli::print("\n");
  first_ = false;
  cli::print(printable(query) + "\n");
  if (hits.empty()) cli::print("   the index is empty\n");
  for (size_t i = 0; i < hits.size(); ++i) print_hit(i + 1, hits[i], shown[i]);
}

void HitPrinter::print_hit(size_t number, const SearchHit& hit,
                           const std::vector<Span>& shown) const {
  std::string place = fmt::format("{}:{}", printable(short_path(hit.path)), hit.line);
  if (color_) place = kPlace + place + kEnd;
  cli::print(fmt::format("{:2} {:.4f}  {}\n", number, hit.score, place));
  std::string line;
  int columns = kIndent;
  for (const Piece& piece : pieces_of(hit.text, shown, color_)) {
    if (!line.empty() && columns + 1 + piece.columns > width_) {
      cli::print(std::string(kIndent, ' ') + line + "\n");
      line.clear();
      columns = kIndent;
    }
    if (!line.empty()) line += ' ', ++columns;
    line += piece.shown;
    columns += piece.columns;
  }
  if (!line.empty()) cli::print(std::string(kIndent, ' ') + line + "\n");
}

}  // namespace heed::cli
