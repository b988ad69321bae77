#pragma once

#include <string>
#include <vector>

#include "heed/search/index.h"

namespace heed::cli {

struct Context;

/// Prints what queries found: for people, each passage with its file and line and the words that
/// are nearest in bold; with --json one object a query.
class HitPrinter {
 public:
  explicit HitPrinter(const Context& context);

  /// shown: byte ranges of each hit's text, ascending.
  void print(const std::string& query, const std::vector<SearchHit>& hits,
             const std::vector<std::vector<Span>>& shown);

 private:
  void print_hit(size_t number, const SearchHit& hit, const std::vector<Span>& shown) const;

  bool json_;
  bool color_;
  int width_;
  bool first_ = true;
};

}  // namespace heed::cli
