#include "heed/text/jinja/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "heed/base/message.h"
#include "heed/text/jinja/value.h"
#include "heed/text/unicode.h"

namespace heed::jinja {
namespace {

constexpr size_t kNone = std::u32string_view::npos;

bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }

/// One kind of line end, and none at the end of the text.
std::u32string lines_joined(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == U'\r') {
      out += U'\n';
      if (i + 1 < text.size() && text[i + 1] == U'\n') ++i;
    } else {
      out += text[i];
    }
  }
  if (!out.empty() && out.back() == U'\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::u32string source) : source_(std::move(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) root();
    add(TokenKind::end, U"");
    return std::move(tokens_);
  }

 private:
  std::u32string_view rest(size_t from) const {
    return std::u32string_view(source_).substr(std::min(from, source_.size()));
  }
  bool follows(std::u32string_view text, size_t from) const { return rest(from).starts_with(text); }
  [[noreturn]] void fail(const std::string& what) const { throw SyntaxFault(line_, what); }

  size_t spaces_from(size_t from) const {
    while (from < source_.size() && is_python_space(source_[from])) ++from;
    return from;
  }

  void add(TokenKind kind, std::u32string_view text) {
    tokens_.push_back({kind, to_utf8(text), line_});
  }

  void advance(size_t to) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(to), U'\n'));
    at_ = to;
  }

  /// After a tag: its end decides whether the text that follows starts a line.
  void close(size_t to) {
    advance(to);
    line_start_ = source_[to - 1] == U'\n';
  }

  /// The text before a tag or a comment, which may take white space away.
  void data(size_t end, char32_t sign, bool is_print) {
    std::u32string_view text = rest(at_).substr(0, end - at_);
    if (sign == U'-') {
      while (!text.empty() && is_python_space(text.back())) text.remove_suffix(1);
    } else if (sign != U'+' && !is_print) {
      const size_t feed = text.rfind(U'\n');
      const size_t begin = feed == kNone ? 0 : feed + 1;
      const auto last = text.substr(begin);
      if ((begin > 0 || line_start_) && std::all_of(last.begin(), last.end(), is_python_space)) {
        text = text.substr(0, begin);
      }
    }
    if (!text.empty()) add(TokenKind::data, text);
    advance(end);
  }

  void root() {
    size_t begin = at_;
    const auto opens = [&](size_t at) {
      return follows(U"{%", at) || follows(U"{{", at) || follows(U"{#", at);
    };
    while (begin < source_.size() && !opens(begin)) ++begin;
    if (begin >= source_.size()) {
      add(TokenKind::data, rest(at_));
      at_ = source_.size();
      return;
    }
    const char32_t kind = source_[begin + 1];
    const char32_t next = begin + 2 < source_.size() ? source_[begin + 2] : U' ';
    const bool signed_tag = next == U'-' || next == U'+';
    data(begin, signed_tag ? next : U' ', kind == U'{');
    const size_t inside = begin + 2 + static_cast<size_t>(signed_tag);
    if (kind == U'%' && raw(inside)) return;
    if (kind == U'#') return comment(inside);
    const bool is_print = kind == U'{';
    add(is_print ? TokenKind::print_begin : TokenKind::tag_begin, U"");
    advance(inside);
    expression(is_print);
  }

  /// Where what ends with `mark` goes on: after white space for "-mark", else (if trims) after a
  /// line feed. kNone if the mark does not stand at `at`.
  size_t end_of(std::u32string_view mark, size_t at, bool trims) const {
    const bool minus = follows(U"-", at);
    const bool plus = trims && follows(U"+", at);
    const size_t begin = at + static_cast<size_t>(minus || plus);
    if (!follows(mark, begin)) return kNone;
    const size_t end = begin + mark.size();
    if (minus) return spaces_from(end);
    return end + static_cast<size_t>(trims && !plus && follows(U"\n", end));
  }

  void comment(size_t from) {
    for (size_t at = from; at < source_.size(); ++at) {
      if (const size_t end = end_of(U"#}", at, true); end != kNone) return close(end);
    }
    fail("needed the end of a comment, #}, found the end of the template");
  }

  /// {% raw %} ... {% endraw %}, if that is what stands here.
  bool raw(size_t from) {
    const size_t name = spaces_from(from);
    if (!follows(U"raw", name)) return false;
    const size_t tag_end = spaces_from(name + 3);
    const size_t begin = end_of(U"%}", tag_end, false);
    if (begin == kNone) return false;
    close(begin);
    for (size_t at = begin; at < source_.size(); ++at) {
      if (!follows(U"{%", at)) continue;
      const bool signed_tag = follows(U"-", at + 2) || follows(U"+", at + 2);
      const size_t word = spaces_from(at + 2 + static_cast<size_t>(signed_tag));
      if (!follows(U"endraw", word)) continue;
      const size_t end = end_of(U"%}", spaces_from(word + 6), true);
      if (end == kNone) continue;
      data(at, signed_tag ? source_[at + 2] : U' ', false);
      close(end);
      return true;
    }
    fail("needed {% endraw %}, found the end of the template");
  }

  void expression(bool is_print) {
    std::u32string open;  // brackets, by what closes them
    while (at_ < source_.size()) {
      if (open.empty()) {
        const size_t end = end_of(is_print ? U"}}" : U"%}", at_, !is_print);
        if (end != kNone) {
          add(is_print ? TokenKind::print_end : TokenKind::tag_end, U"");
          return close(end);
        }
      }
      const char32_t c = source_[at_];
      if (is_python_space(c)) {
        advance(spaces_from(at_));
      } else if (is_digit(c)) {
        number();
      } else if (is_word(c)) {
        size_t end = at_;
        while (end < source_.size() && is_word(source_[end])) ++end;
        take(TokenKind::name, end - at_);
      } else if (c == U'\'' || c == U'"') {
        literal(c);
      } else {
        sign(open);
      }
    }
    fail(fmt::format("needed {}, found the end of the template", is_print ? "}}" : "%}"));
  }

  void take(TokenKind kind, size_t size) {
    add(kind, rest(at_).substr(0, size));
    advance(at_ + size);
  }

  void sign(std::u32string& open) {
    static constexpr std::array<std::u32string_view, 6> kPairs = {U"//", U"**", U"==",
                                                                  U"!=", U">=", U"<="};
    for (const auto pair : kPairs) {
      if (follows(pair, at_)) return take(TokenKind::sign, 2);
    }
    static constexpr std::u32string_view kSigns = U"+-/*%~[](){}><=.:|,;";
    const char32_t c = source_[at_];
    if (kSigns.find(c) == kNone) {
      fail(fmt::format("found {}, which means nothing in a tag", in_quotes(to_utf8({&c, 1}))));
    }
    if (c == U'(') open += U')';
    if (c == U'[') open += U']';
    if (c == U'{') open += U'}';
    if (c == U')' || c == U']' || c == U'}') {
      if (open.empty() || open.back() != c) {
        fail(fmt::format("found '{}' where {}", static_cast<char>(c),
                         open.empty()
                             ? "nothing is open"
                             : fmt::format("'{}' is due", static_cast<char>(open.back()))));
      }
      open.pop_back();
    }
    take(TokenKind::sign, 1);
  }

  size_t digits(size_t from) const {  // with single _ between them
    size_t end = from;
    while (end < source_.size() &&
           (is_digit(source_[end]) || (end > from && source_[end] == U'_' &&
                                       end + 1 < source_.size() && is_digit(source_[end + 1])))) {
      ++end;
    }
    return end;
  }

  size_t exponent(size_t from) const {  // from itself if there is none
    if (!follows(U"e", from) && !follows(U"E", from)) return from;
    const size_t begin =
        from + 1 + static_cast<size_t>(follows(U"+", from + 1) || follows(U"-", from + 1));
    const size_t end = digits(begin);
    return end > begin ? end : from;
  }

  void number() {
    const size_t whole = digits(at_);
    size_t end = whole;
    // x.0.5 is two subscripts
    if (at_ == 0 || source_[at_ - 1] != U'.') {
      if (follows(U".", whole) && digits(whole + 1) > whole + 1) end = digits(whole + 1);
      end = exponent(end);
    }
    const bool is_real = end > whole;
    std::u32string text;
    for (const char32_t c : rest(at_).substr(0, end - at_)) {
      if (c != U'_') text += c;
    }
    if (!is_real && text.size() > 1 && text[0] == U'0') {
      fail("a number that begins with 0 is none of Jinja's");
    }
    add(is_real ? TokenKind::real : TokenKind::integer, text);
    advance(end);
  }

  void literal(char32_t quote) {
    std::u32string text;
    size_t i = at_ + 1;
    while (i < source_.size() && source_[i] != quote) {
      if (source_[i] == U'\\' && i + 1 < source_.size()) {
        i = escape(i + 1, text);
      } else {
        text += source_[i++];
      }
    }
    if (i >= source_.size()) fail("a text literal has no end");
    add(TokenKind::text, text);
    advance(i + 1);
  }

  /// Appends what the escape at `i` (after its backslash) means; returns where the text goes on.
  size_t escape(size_t i, std::u32string& text) const {
    static constexpr std::u32string_view kLetters = U"\\'\"abfnrtv";
    static constexpr std::u32string_view kMeanings = U"\\'\"\a\b\f\n\r\t\v";
    const char32_t c = source_[i];
    if (c == U'\n') return i + 1;
    if (const size_t known = kLetters.find(c); known != kNone) {
      text += kMeanings[known];
      return i + 1;
    }
    if (c >= U'0' && c <= U'7') return coded(i, 3, 8, false, text);
    if (c == U'x') return coded(i + 1, 2, 16, true, text);
    if (c == U'u') return coded(i + 1, 4, 16, true, text);
    if (c == U'U') return coded(i + 1, 8, 16, true, text);
    if (c == U'N') fail("Heed does not know \\N{...} in a text literal; write \\u....");
    text += U'\\';
    text += c;
    return i + 1;
  }

  size_t coded(size_t i, size_t most, uint32_t base, bool all, std::u32string& text) const {
    uint64_t code = 0;
    size_t count = 0;
    for (; count < most && i + count < source_.size(); ++count) {
      const char32_t c = source_[i + count] | 0x20U;  // lower case
      const uint32_t digit = is_digit(source_[i + count]) ? source_[i + count] - U'0'
                             : c >= U'a' && c <= U'f'     ? c - U'a' + 10
                                                          : 99;
      if (digit >= base) break;
      code = code * base + digit;
    }
    if (all && count < most) fail("an escape in a text literal has too few digits");
    const bool is_character = code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
    if (!is_character) fail("an escape in a text literal is no character of Unicode");
    text += static_cast<char32_t>(code);
    return i + count;
  }

  std::u32string source_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_start_ = true;
};

}  // namespace

std::vector<Token> tokens_of(std::string_view source) {
  return Lexer(lines_joined(decode_utf8(source).chars)).run();
}

std::string described(const Token& token) {
  switch (token.kind) {
    case TokenKind::data:
      return "text outside of tags";
    case TokenKind::print_begin:
      return "'{{'";
    case TokenKind::print_end:
      return "'}}'";
    case TokenKind::tag_begin:
      return "'{%'";
    case TokenKind::tag_end:
      return "'%}'";
    case TokenKind::text:
      return "the text " + in_quotes(token.text);
    case TokenKind::integer:
    case TokenKind::real:
      return "the number " + token.text;
    case TokenKind::end:
      return "the end of the template";
    default:
      return in_quotes(token.text);
  }
}

}  // namespace heed::jinja
