#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "heed/lens/picture.h"
#include "heed/text/tokenizer.h"

namespace heed::cli {

/// A part of a text that stands out, and what it is called.
struct Mark {
  Span bytes;
  std::string label;
};

/// The text on a line with its marks (in order, none inside another) on backgrounds of a colour a
/// label, each followed by it.
std::string marked_line(std::string_view text, const std::vector<Mark>& marks, Colors colors);

/// A page of texts with their marks, readable in a light and a dark room, that needs no other file.
class MarkedPage {
 public:
  explicit MarkedPage(std::string_view title);
  void add(std::string_view text, const std::vector<Mark>& marks);
  /// The whole page; nothing can be added after it.
  std::string finish() &&;

 private:
  std::string html_;
};

}  // namespace heed::cli
