#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace heed {

/// A regular expression as tokenizer.json writes it: Oniguruma's Ruby syntax, as far as it means
/// the same or can be said in PCRE2's. Compiled to machine code where PCRE2 can. Immutable: safe
/// from many threads.
class Regex {
 public:
  /// `where` names the file and field in errors. Error unsupported for syntax that the two read
  /// differently, corrupt_data for what is no regular expression.
  Regex(std::u32string_view pattern, std::string_view where);

  /// The pattern that matches `text` itself.
  static std::u32string quoted(std::u32string_view text);

  /// Finds matches; one thread's, kept for a whole text.
  class Search {
   public:
    explicit Search(const Regex& regex);
    ~Search();
    Search(const Search&) = delete;
    Search& operator=(const Search&) = delete;

    /// found(begin, end) for every match, left to right; an empty one does not follow another
    /// match at once. Error unsupported if the search would take too long.
    template <class Found>
    void each(std::u32string_view text, Found found) {
      size_t from = 0;
      std::optional<size_t> last_end;
      while (const auto match = next(text, from)) {
        if (match->begin == match->end && match->end == last_end) {
          if (++from > text.size()) return;
          continue;
        }
        found(match->begin, match->end);
        last_end = from = match->end;
      }
    }

   private:
    struct Range {
      size_t begin;
      size_t end;
    };
    std::optional<Range> next(std::u32string_view text, size_t from);

    const Regex& regex_;
    void* match_;  // pcre2_match_data
  };

 private:
  std::shared_ptr<const void> code_;  // pcre2_code
  std::string where_;
};

}  // namespace heed
