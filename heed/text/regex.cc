#define PCRE2_CODE_UNIT_WIDTH 32

#include "heed/text/regex.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <new>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

static_assert(sizeof(PCRE2_UCHAR) == sizeof(char32_t));

PCRE2_SPTR units(std::u32string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

bool is_ascii_alnum(char32_t c) {
  return (c >= U'0' && c <= U'9') || (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z');
}

/// Rewrites Oniguruma's Ruby syntax for PCRE2. Classes of characters differ (PCRE2's \s has U+180E,
/// its \w lacks marks), so they are spelled out; what else differs is refused.
class Translator {
 public:
  Translator(std::u32string_view pattern, std::string_view where)
      : pattern_(pattern), where_(where) {}

  std::u32string run() {
    while (at_ < pattern_.size()) {
      const char32_t c = pattern_[at_];
      if (c == U'\\') {
        escape();
      } else if (in_class_) {
        class_member(c);
      } else if (c == U'(' && follows(U"(?")) {
        group();
      } else if (c == U'{') {
        repetition();
      } else {
        if (c == U'[') {
          in_class_ = true;
          if (follows(U"[^")) take(1);
        }
        take(1);
      }
    }
    return std::move(out_);
  }

 private:
  bool follows(std::u32string_view text) const { return pattern_.substr(at_).starts_with(text); }
  void take(size_t count) {
    out_ += pattern_.substr(at_, count);
    at_ += count;
  }
  void put(std::u32string_view text, size_t instead_of) {
    out_ += text;
    at_ += instead_of;
  }

  /// The length of \p{...} when the brace stands `length` characters on; else that length.
  size_t braced(size_t length) const {
    if (!pattern_.substr(at_ + length).starts_with(U'{')) return length;
    const size_t close = pattern_.find(U'}', at_ + length);
    if (close == std::u32string_view::npos) refuse(length + 1);
    return close + 1 - at_;
  }

  [[noreturn]] void refuse(size_t count) const {
    throw Error(
        ErrorCode::unsupported,
        fmt::format("{}: Heed does not know {} in a regular expression; it knows literals, "
                    "sets, groups, alternatives, repetitions, (?i:), look-around, \\p, \\s, "
                    "\\w, \\d and escaped signs; found {}",
                    where_, in_quotes(to_utf8(pattern_.substr(at_, count))),
                    in_quotes(to_utf8(pattern_))));
  }

  void escape() {
    static constexpr std::u32string_view kWord = U"\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
    // what Oniguruma counts among them outside of sets
    static constexpr std::u32string_view kLatinNumbers = U"\\xB2\\xB3\\xB9\\xBC-\\xBE";
    const auto set = [](std::u32string_view start) {
      return std::u32string(start).append(kWord).append(kLatinNumbers) + U']';
    };
    if (at_ + 1 >= pattern_.size()) refuse(1);
    const char32_t c = pattern_[at_ + 1];
    switch (c) {
      case U's':
        return put(U"\\p{White_Space}", 2);
      case U'S':
        return put(U"\\P{White_Space}", 2);
      case U'd':
        return put(U"\\p{Nd}", 2);
      case U'D':
        return put(U"\\P{Nd}", 2);
      case U'w':
        return put(in_class_ ? std::u32string(kWord) : set(U"["), 2);
      case U'W':
        if (in_class_) refuse(2);
        return put(set(U"[^"), 2);
      case U'n':
      case U'r':
      case U't':
      case U'f':
        return take(2);
      case U'x':
      case U'p':
      case U'P':
        return take(braced(2));
      case U'u':  // \uhhhh
        if (at_ + 6 > pattern_.size()) refuse(2);
        return put(U"\\x{" + std::u32string(pattern_.substr(at_ + 2, 4)) + U"}", 6);
      default:
        if (is_ascii_alnum(c)) refuse(2);
        return take(2);
    }
  }

  void class_member(char32_t c) {
    if (c == U'[') refuse(1);       // a set inside a set in Ruby, a literal in PCRE2
    if (follows(U"&&")) refuse(2);  // an intersection
    if (c == U']') in_class_ = false;
    take(1);
  }

  /// {n,m}, which PCRE2 compiles by copying what is repeated.
  void repetition() {
    constexpr size_t kMostCopies = 1 << 20;
    const size_t close = pattern_.find(U'}', at_);
    const size_t length = close == std::u32string_view::npos ? 1 : close + 1 - at_;
    size_t most = 0;
    size_t number = 0;
    for (const char32_t c : pattern_.substr(at_, length)) {
      number = c >= U'0' && c <= U'9' ? std::min(number * 10 + (c - U'0'), kMostCopies) : 0;
      most = std::max(most, number);
    }
    copies_ = std::min(copies_ * std::max<size_t>(most, 1), kMostCopies);
    if (copies_ * pattern_.size() >= kMostCopies) refuse(length);
    // {n,m}+ is possessive in PCRE2, a repetition of the repetition in Ruby
    if (length > 1 && pattern_.substr(at_ + length).starts_with(U'+')) refuse(length + 1);
    take(length);
  }

  void group() {
    static constexpr std::array<std::u32string_view, 9> kSame = {
        U"(?:", U"(?=", U"(?!", U"(?<=", U"(?<!", U"(?>", U"(?i:", U"(?i)", U"(?-i:"};
    for (const std::u32string_view start : kSame) {
      if (follows(start)) return take(start.size());
    }
    refuse(4);
  }

  std::u32string_view pattern_;
  std::string_view where_;
  std::u32string out_;
  size_t at_ = 0;
  size_t copies_ = 1;  // that repetitions may make of a part, at most
  bool in_class_ = false;
};

std::string message_of(int error) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  std::string out;
  for (const PCRE2_UCHAR c : text) {
    if (c == 0) break;
    append_utf8(out, c);
  }
  return out;
}

}  // namespace

std::u32string Regex::quoted(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : text) {
    if (c < 0x80 && !is_ascii_alnum(c)) out += U'\\';
    out += c;
  }
  return out;
}

Regex::Regex(std::u32string_view pattern, std::string_view where) : where_(where) {
  const std::u32string translated = Translator(pattern, where).run();
  int error = 0;
  PCRE2_SIZE offset = 0;
  const std::unique_ptr<pcre2_compile_context, void (*)(pcre2_compile_context*)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  if (!context) throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  // in Ruby's syntax ^ and $ are always those of lines
  pcre2_code* code =
      pcre2_compile(units(translated), translated.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE,
                    &error, &offset, context.get());
  if (code == nullptr) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{}: needed a regular expression, found {}: {}", where,
                            in_quotes(to_utf8(pattern)), message_of(error)));
  }
  code_ = std::shared_ptr<const void>(
      code, [](const void* c) { pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(c))); });
  // a machine without a just-in-time compiler for it interprets the pattern
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
}

Regex::Search::Search(const Regex& regex)
    : regex_(regex), match_(pcre2_match_data_create(1, nullptr)) {
  if (match_ == nullptr) throw std::bad_alloc();
}

Regex::Search::~Search() { pcre2_match_data_free(static_cast<pcre2_match_data*>(match_)); }

std::optional<Regex::Search::Range> Regex::Search::next(std::u32string_view text, size_t from) {
  const auto* code = static_cast<const pcre2_code*>(regex_.code_.get());
  auto* match = static_cast<pcre2_match_data*>(match_);
  const auto run = [&](uint32_t options) {
    // code points are checked when a text is decoded; checking the rest of it at each match would
    // take quadratic time
    return pcre2_match(code, units(text), text.size(), from, PCRE2_NO_UTF_CHECK | options, match,
                       nullptr);
  };
  int found = run(0);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = run(PCRE2_NO_JIT);
  if (found == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (found < 0) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: the regular expression gave up on a text of {} characters: {}",
                            regex_.where_, text.size(), message_of(found)));
  }
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match);
  return Range{range[0], range[1]};
}

}  // namespace heed
