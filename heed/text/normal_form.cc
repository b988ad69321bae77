#include "heed/text/normal_form.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <optional>

#include "heed/base/error.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

struct Decomposed {
  RewrittenChar rewritten;
  int32_t combining_class;
};

int32_t combining_class(char32_t c) {
  if (c < 0x300 || is_class(c, CodePointClass::unknown_to_normal_forms)) return 0;
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

void sort_marks(std::vector<Decomposed>& out, size_t begin) {
  if (out.size() - begin < 2) return;
  std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(),
                   [](const Decomposed& a, const Decomposed& b) {
                     return a.combining_class < b.combining_class;
                   });
}

std::vector<Decomposed> decompose(std::u32string_view text, bool compatible) {
  constexpr size_t kLongest = 32;  // 18 characters, for U+FDFA, is Unicode's longest
  std::array<utf8proc_int32_t, kLongest> parts{};
  const auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0));
  std::vector<Decomposed> out;
  out.reserve(text.size() + text.size() / 4);
  size_t marks = 0;  // start of the run of marks that still waits for its end
  const auto push = [&](char32_t c, int32_t change) {
    const int32_t rank = combining_class(c);
    if (rank == 0) sort_marks(out, marks);
    out.push_back({{c, change}, rank});
    if (rank == 0) marks = out.size();
  };
  for (const char32_t c : text) {
    if (c < 0xA0 || is_class(c, CodePointClass::unknown_to_normal_forms)) {
      push(c, 0);
      continue;
    }
    int boundary = 0;
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts.data(),
                                               kLongest, options, &boundary);
    HEED_ASSERT(count >= 1 && count <= static_cast<utf8proc_ssize_t>(kLongest));
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      push(static_cast<char32_t>(parts[i]), i == 0 ? 0 : 1);
    }
  }
  sort_marks(out, marks);
  return out;
}

std::optional<char32_t> compose_pair(char32_t a, char32_t b) {
  if (b < 0x300) return std::nullopt;  // nothing below combines with what stands before it
  std::array<utf8proc_int32_t, 3> pair{static_cast<utf8proc_int32_t>(a),
                                       static_cast<utf8proc_int32_t>(b), 0};
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  if (utf8proc_normalize_utf32(pair.data(), 2, options) != 1) return std::nullopt;
  const auto composed = static_cast<char32_t>(pair[0]);
  if (is_class(composed, CodePointClass::unknown_to_normal_forms)) return std::nullopt;
  return composed;
}

// Joins each starter with the marks after it that are not blocked (UAX #15, D117). The marks that
// stay wait behind their starter; a dropped one is counted in the starter's change.
std::vector<RewrittenChar> compose(const std::vector<Decomposed>& text) {
  std::vector<RewrittenChar> out;
  out.reserve(text.size());
  std::optional<size_t> starter;  // in out
  int32_t last_class = 0;         // of the last mark that stayed; 0 for none
  for (const auto& [next, rank] : text) {
    if (starter && (last_class == 0 || last_class < rank)) {
      RewrittenChar& base = out[*starter];
      if (const auto composed = compose_pair(base.c, next.c)) {
        base = {*composed, base.change + next.change - 1};
        continue;
      }
    }
    if (rank == 0) {
      starter = out.size();
      last_class = 0;
    } else if (starter) {
      last_class = rank;
    }
    out.push_back(next);
  }
  return out;
}

}  // namespace

void normalize(AlignedText& text, NormalForm form) {
  const bool compatible = form == NormalForm::nfkd || form == NormalForm::nfkc;
  const bool composes = form == NormalForm::nfc || form == NormalForm::nfkc;
  // below these no character of the form changes or combines
  const char32_t first_affected = compatible ? 0xA0 : composes ? 0x300 : 0xC0;
  if (std::none_of(text.chars.begin(), text.chars.end(),
                   [&](char32_t c) { return c >= first_affected; })) {
    return;
  }
  const std::vector<Decomposed> decomposed = decompose(text.chars, compatible);
  if (composes) {
    text.rewrite(compose(decomposed));
    return;
  }
  std::vector<RewrittenChar> rewritten(decomposed.size());
  std::transform(decomposed.begin(), decomposed.end(), rewritten.begin(),
                 [](const Decomposed& d) { return d.rewritten; });
  text.rewrite(rewritten);
}

}  // namespace heed
