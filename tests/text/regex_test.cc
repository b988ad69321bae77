// Oniguruma's syntax by PCRE2: what means the same, what is spelled out, what is refused.
#include "heed/text/regex.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "tests/expect_error.h"

namespace heed {
namespace {

using Ranges = std::vector<std::pair<size_t, size_t>>;

Ranges matches(std::u32string_view pattern, std::u32string_view text) {
  const Regex regex(pattern, "field");
  Regex::Search search(regex);
  Ranges out;
  search.each(text, [&](size_t begin, size_t end) { out.emplace_back(begin, end); });
  return out;
}

TEST(Regex, ClassesAreThoseOfTheReference) {
  EXPECT_EQ(matches(U"\\s+", U"a \t\u0085\u2028b"), (Ranges{{1, 5}}));
  EXPECT_EQ(matches(U"\\s", U"\u180e"), Ranges{});  // white space for PCRE2, none for Unicode
  EXPECT_EQ(matches(U"[^\\s\\p{L}]+", U"a1\u180e b"), (Ranges{{1, 3}}));
  EXPECT_EQ(matches(U"\\w+", U"e\u0301_1\u00b2-\u2070"), (Ranges{{0, 5}}));
  EXPECT_EQ(matches(U"\\W|[\\w]", U"e-"), (Ranges{{0, 1}, {1, 2}}));
  EXPECT_EQ(matches(U"[\\w]+", U"a\u00b2"), (Ranges{{0, 1}}));  // as the reference has it
  EXPECT_EQ(matches(U"\\d\\D", U"\u0663x\u00b2"), (Ranges{{0, 2}}));
  EXPECT_EQ(matches(U"\\u0041\\x{42}\\x43", U"ABC"), (Ranges{{0, 3}}));
  EXPECT_EQ(matches(U"(?i:'s|k)", U"'\u017f\u212a"), (Ranges{{0, 2}, {2, 3}}));
  EXPECT_EQ(matches(U"^.", U"ab\ncd"), (Ranges{{0, 1}, {3, 4}}));
}

TEST(Regex, EmptyMatchesDoNotFollowAnotherMatch) {
  EXPECT_EQ(matches(U"", U"ab"), (Ranges{{0, 0}, {1, 1}, {2, 2}}));
  EXPECT_EQ(matches(U"a*", U"baac"), (Ranges{{0, 0}, {1, 3}, {4, 4}}));
}

TEST(Regex, QuotedTextMatchesItself) {
  for (const std::u32string_view text : {U"a.b*c[", U"\\d(\n)", U"\u00e9-#"}) {
    EXPECT_EQ(matches(Regex::quoted(text), text), (Ranges{{0, text.size()}}));
  }
}

TEST(Regex, RefusesWhatTheTwoReadDifferently) {
  for (const std::u32string_view pattern :
       {U"\\h", U"[a[bc]]", U"[a&&b]", U"a{2}+", U"((a{1000}){1000}){9}", U"(?m:.)", U"(?<name>a)",
        U"\\bx", U"[\\W]", U"a\\"}) {
    expect_error(ErrorCode::unsupported, {"field", "does not know"},
                 [&] { Regex(pattern, "field"); });
  }
  expect_error(ErrorCode::corrupt_data, {"field", "regular expression", "'a('"},
               [] { Regex(U"a(", "field"); });
  expect_error(ErrorCode::corrupt_data, {"field", "'\\p{Nonsense}'"},
               [] { Regex(U"\\p{Nonsense}", "field"); });
}

TEST(Regex, GivesUpOnASearchWithoutEnd) {
  const std::u32string text(40, U'a');
  expect_error(ErrorCode::unsupported, {"field", "gave up", "40 characters"},
               [&] { matches(U"(a|a)*[bc]", text); });
}

TEST(Regex, ALongMatchNeedsNoStack) {
  const std::u32string text(1 << 20, U'a');
  EXPECT_EQ(matches(U"(?:a|b)+", text), (Ranges{{0, text.size()}}));
}

}  // namespace
}  // namespace heed
