#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "heed/text/jinja/budget.h"

namespace heed::jinja {

/// What is wrong with a template's own text.
class SyntaxFault : public std::runtime_error {
 public:
  SyntaxFault(int at_line, const std::string& what) : std::runtime_error(what), line(at_line) {}
  int line;
};

enum class TokenKind {
  data,
  print_begin,
  print_end,
  tag_begin,
  tag_end,
  name,
  text,
  integer,
  real,
  sign,
  end
};

struct Token {
  TokenKind kind;
  std::string text;  // UTF-8; of a text literal what it says
  int line;

  bool is(TokenKind other, std::string_view value) const { return kind == other && text == value; }
  bool is_sign(std::string_view value) const { return is(TokenKind::sign, value); }
  bool is_name(std::string_view value) const { return is(TokenKind::name, value); }
};

/// Cuts a template into tokens, with white space around tags as transformers sets Jinja
/// (trim_blocks, lstrip_blocks, no newline kept at the end). The last token is `end`. Throws
/// SyntaxFault.
std::vector<Token> tokens_of(std::string_view source);

/// For messages: 'endif', the number 3, the end of the template.
std::string described(const Token& token);

}  // namespace heed::jinja
