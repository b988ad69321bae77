// Jinja's grammar, in the order in which its own parser (jinja2/parser.py) tries things.

#include "heed/text/jinja/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <set>

#include "heed/base/message.h"

namespace heed::jinja {
namespace {

constexpr int kDeepestSyntax = 150;  // parentheses and blocks within each other
constexpr int kTallestTree = 300;    // operators within each other

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Block run() {
    Block out = block({});
    if (now().kind != TokenKind::end) fail("the end of the template");
    return out;
  }

 private:
  using Words = std::initializer_list<std::string_view>;

  // The tokens.

  const Token& now() const { return tokens_[at_]; }
  const Token& after() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token next() {
    const Token token = now();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool skip_sign(std::string_view sign) { return now().is_sign(sign) && (next(), true); }
  bool skip_name(std::string_view word) { return now().is_name(word) && (next(), true); }

  [[noreturn]] void fail(std::string_view needed) const {
    throw SyntaxFault(now().line, fmt::format("needed {}, found {}", needed, described(now())));
  }
  void expect_sign(std::string_view sign) {
    if (!skip_sign(sign)) fail(fmt::format("'{}'", sign));
  }
  void expect(TokenKind kind, std::string_view needed) {
    if (now().kind != kind) fail(needed);
    next();
  }
  std::string expect_name(std::string_view needed) {
    if (now().kind != TokenKind::name) fail(needed);
    return next().text;
  }

  class Nested {
   public:
    explicit Nested(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kDeepestSyntax) {
        throw SyntaxFault(parser_.now().line,
                          fmt::format("more than {} levels within each other", kDeepestSyntax));
      }
    }
    ~Nested() { --parser_.depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    Parser& parser_;
  };

  template <class Node>
  std::unique_ptr<const Node> placed(std::unique_ptr<const Node> node, int line) {
    // made a moment ago by this parser, and no one else's yet
    const_cast<Node&>(*node).line = line;
    return node;
  }
  ExpressionPtr at_line(int line, ExpressionPtr node) {
    if (node->height > kTallestTree) {
      throw SyntaxFault(line,
                        fmt::format("more than {} operators within each other", kTallestTree));
    }
    return placed(std::move(node), line);
  }

  // Statements.

  /// Until a tag with one of the words, which is then the next token but for the tag's begin.
  Block block(const std::vector<std::string_view>& ends) {
    const Nested nested(*this);
    Block out;
    while (now().kind != TokenKind::end) {
      const Token token = next();
      if (token.kind == TokenKind::data) {
        out.push_back(placed(text_block(token.text), token.line));
      } else if (token.kind == TokenKind::print_begin) {
        out.push_back(placed(printed(tuple()), token.line));
        expect(TokenKind::print_end, "'}}'");
      } else {
        if (now().kind == TokenKind::name &&
            std::find(ends.begin(), ends.end(), now().text) != ends.end()) {
          return out;
        }
        if (auto made = statement(ends)) out.push_back(placed(std::move(made), token.line));
        expect(TokenKind::tag_end, "'%}'");
      }
    }
    if (!ends.empty()) fail(fmt::format("{{% {} %}}", fmt::join(ends, " %} or {% ")));
    return out;
  }

  /// After a tag's head: its end and the block up to one of the words, which is taken too.
  std::pair<Block, std::string> body(const std::vector<std::string_view>& ends) {
    skip_sign(":");
    expect(TokenKind::tag_end, "'%}'");
    Block out = block(ends);
    return {std::move(out), next().text};
  }

  StatementPtr statement(const std::vector<std::string_view>& ends) {
    const Nested nested(*this);
    const Token tag = now();
    if (tag.kind != TokenKind::name) fail("the name of a tag");
    next();
    if (tag.text == "if") return if_tag();
    if (tag.text == "for") return for_tag();
    if (tag.text == "set") return set_tag();
    if (tag.text == "macro") return macro_tag();
    if (tag.text == "call") return call_tag();
    if (tag.text == "filter") return filter_tag();
    if (tag.text == "with") return with_tag();
    if (tag.text == "generation") return with_block({}, body({"endgeneration"}).first);
    if (tag.text == "print") return print_tag();
    if (tag.text == "break" || tag.text == "continue") {
      if (loops_ == 0) throw SyntaxFault(tag.line, fmt::format("{} outside of a loop", tag.text));
      return leave_loop(tag.text == "break" ? Flow::break_loop : Flow::continue_loop);
    }
    std::string known =
        "if, for, set, macro, call, filter, with, generation, print, raw, break, continue";
    for (const std::string_view end : ends) known = fmt::format("{}, {}", end, known);
    throw SyntaxFault(tag.line, fmt::format("needed a tag that Heed knows ({}), found {}", known,
                                            in_quotes(tag.text)));
  }

  StatementPtr if_tag() {
    std::vector<IfBranch> branches;
    Block otherwise;
    for (std::string end = "elif"; end == "elif";) {
      IfBranch branch{.test = tuple(/*with_condition=*/false), .block = {}};
      std::tie(branch.block, end) = body({"elif", "else", "endif"});
      branches.push_back(std::move(branch));
      if (end == "else") otherwise = body({"endif"}).first;
    }
    return if_block(std::move(branches), std::move(otherwise));
  }

  StatementPtr for_tag() {
    ForLoop loop;
    loop.target = target(/*with_attributes=*/false, {"in"});
    if (!skip_name("in")) fail("'in'");
    loop.over = tuple(/*with_condition=*/false, {"recursive"});
    if (skip_name("if")) loop.test = expression();
    if (now().is_name("recursive")) {
      throw SyntaxFault(now().line, "Heed does not know recursive loops");
    }
    ++loops_;
    std::string end;
    std::tie(loop.block, end) = body({"endfor", "else"});
    --loops_;
    if (end == "else") loop.otherwise = body({"endfor"}).first;
    return for_loop(std::move(loop));
  }

  StatementPtr set_tag() {
    Target to = target(/*with_attributes=*/true, {});
    if (skip_sign("=")) return set(std::move(to), tuple());
    ExpressionPtr filter;
    if (now().is_sign("|")) filter = filters(captured_text());
    return set_block(std::move(to), std::move(filter), body({"endset"}).first);
  }

  StatementPtr filter_tag() {
    ExpressionPtr filter = filters(one_filter(captured_text()));
    return filter_block(std::move(filter), body({"endfilter"}).first);
  }

  StatementPtr with_tag() {
    std::vector<std::pair<Target, ExpressionPtr>> values;
    while (now().kind != TokenKind::tag_end) {
      if (!values.empty()) expect_sign(",");
      Target to = target(/*with_attributes=*/false, {});
      expect_sign("=");
      values.emplace_back(std::move(to), expression());
    }
    return with_block(std::move(values), body({"endwith"}).first);
  }

  StatementPtr print_tag() {
    Expressions values;
    while (now().kind != TokenKind::tag_end) {
      if (!values.empty()) expect_sign(",");
      values.push_back(expression());
    }
    return printed(concatenated(std::move(values)));
  }

  StatementPtr macro_tag() {
    MacroBody body;
    body.name = expect_name("the name of the macro");
    body.parameters = signature();
    macro_block(body, "endmacro");
    return macro(std::move(body));
  }

  StatementPtr call_tag() {
    MacroBody caller{.name = "caller"};
    if (now().is_sign("(")) caller.parameters = signature();
    const int line = now().line;
    ExpressionPtr callee = primary();
    callee = postfix(std::move(callee), /*last_call=*/false);
    if (!now().is_sign("(")) fail("what a call block calls");
    CallArguments arguments = call_arguments();
    if (now().kind != TokenKind::tag_end)
      throw SyntaxFault(line, "a call block calls one function");
    macro_block(caller, "endcall");
    return call_block(std::move(callee), std::move(arguments), std::move(caller));
  }

  std::vector<Parameter> signature() {
    std::vector<Parameter> out;
    expect_sign("(");
    while (!now().is_sign(")")) {
      if (!out.empty()) expect_sign(",");
      Parameter parameter{.name = expect_name("the name of a parameter"), .fallback = nullptr};
      if (skip_sign("=")) {
        parameter.fallback = expression();
      } else if (!out.empty() && out.back().fallback) {
        fail("'=', as the parameter before has a default");
      }
      out.push_back(std::move(parameter));
    }
    expect_sign(")");
    return out;
  }

  void macro_block(MacroBody& macro, std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    std::set<std::string> outer = std::exchange(names_, {});
    macro.block = body({end}).first;
    const auto is_parameter = [&](std::string_view name) {
      return std::any_of(macro.parameters.begin(), macro.parameters.end(),
                         [&](const Parameter& parameter) { return parameter.name == name; });
    };
    macro.takes_more_positional = names_.count("varargs") > 0 && !is_parameter("varargs");
    macro.takes_more_named = names_.count("kwargs") > 0 && !is_parameter("kwargs");
    names_.merge(outer);
    loops_ = loops;
  }

  // What is assigned to.

  Target target(bool with_attributes, Words ends) {
    std::vector<Target> parts;
    bool is_tuple = false;
    while (!parts_end(ends)) {
      parts.push_back(one_target(with_attributes));
      if (!skip_sign(",")) break;
      is_tuple = true;
    }
    if (parts.empty()) fail("a name to assign to");
    if (!is_tuple) return std::move(parts[0]);
    return {.name = "", .attribute = "", .parts = std::move(parts)};
  }

  bool parts_end(Words ends) const {
    return now().kind == TokenKind::tag_end || now().is_sign(")") || now().is_sign("=") ||
           (now().kind == TokenKind::name &&
            std::find(ends.begin(), ends.end(), now().text) != ends.end());
  }

  Target one_target(bool with_attributes) {
    const Nested nested(*this);
    if (skip_sign("(")) {
      Target out = target(with_attributes, {});
      expect_sign(")");
      return out;
    }
    static const std::set<std::string_view> kConstants = {"true", "false", "none",
                                                          "True", "False", "None"};
    if (kConstants.count(now().text) > 0) fail("a name to assign to");
    Target out{.name = expect_name("a name to assign to"), .attribute = "", .parts = {}};
    if (with_attributes && skip_sign(".")) out.attribute = expect_name("the name of an attribute");
    return out;
  }

  // Expressions, from what binds least.

  ExpressionPtr expression(bool with_condition = true) {
    const Nested nested(*this);
    int line = now().line;
    ExpressionPtr out = either_expression();
    while (with_condition && skip_name("if")) {
      ExpressionPtr test = either_expression();
      ExpressionPtr no;
      if (skip_name("else")) no = expression();
      out = at_line(line, conditional(std::move(test), std::move(out), std::move(no)));
      line = now().line;
    }
    return out;
  }

  /// Expressions with commas between them are a tuple.
  ExpressionPtr tuple(bool with_condition = true, Words ends = {}, bool in_parentheses = false) {
    const int line = now().line;
    Expressions items;
    bool is_tuple = false;
    while (!tuple_ends(ends)) {
      items.push_back(expression(with_condition));
      if (!skip_sign(",")) break;
      is_tuple = true;
    }
    if (!is_tuple && !items.empty()) return std::move(items[0]);
    if (!is_tuple && !in_parentheses) fail("an expression");
    return at_line(line, list_of(std::move(items), Sequence::Kind::tuple));
  }

  bool tuple_ends(Words ends) const {
    const TokenKind kind = now().kind;
    return kind == TokenKind::print_end || kind == TokenKind::tag_end || now().is_sign(")") ||
           (kind == TokenKind::name &&
            std::find(ends.begin(), ends.end(), now().text) != ends.end());
  }

  ExpressionPtr either_expression() {
    ExpressionPtr left = both_expression();
    for (int line = now().line; skip_name("or"); line = now().line) {
      left = at_line(line, either(std::move(left), both_expression()));
    }
    return left;
  }

  ExpressionPtr both_expression() {
    ExpressionPtr left = not_expression();
    for (int line = now().line; skip_name("and"); line = now().line) {
      left = at_line(line, both(std::move(left), not_expression()));
    }
    return left;
  }

  ExpressionPtr not_expression() {
    const Nested nested(*this);
    const int line = now().line;
    if (skip_name("not")) return at_line(line, negated(not_expression()));
    return comparison();
  }

  ExpressionPtr comparison() {
    const int line = now().line;
    ExpressionPtr first = sum();
    std::vector<std::pair<std::string, ExpressionPtr>> more;
    for (;;) {
      static const std::set<std::string_view> kSigns = {"==", "!=", "<", "<=", ">", ">="};
      if (now().kind == TokenKind::sign && kSigns.count(now().text) > 0) {
        std::string sign = next().text;
        more.emplace_back(std::move(sign), sum());
      } else if (skip_name("in")) {
        more.emplace_back("in", sum());
      } else if (now().is_name("not") && after().is_name("in")) {
        next();
        next();
        more.emplace_back("not in", sum());
      } else {
        break;
      }
    }
    if (more.empty()) return first;
    return at_line(line, compared(std::move(first), std::move(more)));
  }

  /// Operators of one rank, from the left.
  template <class Operand>
  ExpressionPtr ranked(Words signs, Operand operand) {
    ExpressionPtr left = operand();
    while (now().kind == TokenKind::sign &&
           std::find(signs.begin(), signs.end(), now().text) != signs.end()) {
      const Token sign = next();
      left = at_line(sign.line, arithmetic(sign.text, std::move(left), operand()));
    }
    return left;
  }

  ExpressionPtr sum() {
    return ranked({"+", "-"}, [this] { return concatenation(); });
  }

  ExpressionPtr concatenation() {
    const int line = now().line;
    Expressions items;
    items.push_back(product());
    while (skip_sign("~")) items.push_back(product());
    if (items.size() == 1) return std::move(items[0]);
    return at_line(line, concatenated(std::move(items)));
  }

  ExpressionPtr product() {
    return ranked({"*", "/", "//", "%"},
                  [this] { return ranked({"**"}, [this] { return unary(); }); });
  }

  ExpressionPtr unary(bool with_filters = true) {
    const Nested nested(*this);
    const int line = now().line;
    ExpressionPtr out;
    if (now().is_sign("-") || now().is_sign("+")) {
      const char sign = next().text[0];
      out = at_line(line, signed_number(sign, unary(/*with_filters=*/false)));
    } else {
      out = primary();
    }
    out = postfix(std::move(out));
    return with_filters ? filters_and_tests(std::move(out)) : std::move(out);
  }

  ExpressionPtr primary() {
    const Token token = now();
    switch (token.kind) {
      case TokenKind::name:
        next();
        return at_line(token.line, named(token.text));
      case TokenKind::text: {
        std::string text;
        while (now().kind == TokenKind::text) text += next().text;
        return at_line(token.line, constant(Value(std::move(text))));
      }
      case TokenKind::integer:
      case TokenKind::real:
        next();
        return at_line(token.line, constant(number(token)));
      default:
        break;
    }
    if (skip_sign("(")) {
      ExpressionPtr out = tuple(true, {}, /*in_parentheses=*/true);
      expect_sign(")");
      return out;
    }
    if (skip_sign("[")) return at_line(token.line, list_literal());
    if (skip_sign("{")) return at_line(token.line, dict_literal());
    fail("an expression");
  }

  ExpressionPtr named(const std::string& text) {
    if (text == "true" || text == "True") return constant(Value(true));
    if (text == "false" || text == "False") return constant(Value(false));
    if (text == "none" || text == "None") return constant(Value());
    names_.insert(text);
    return name(text);
  }

  static Value number(const Token& token) {
    const char* end = token.text.data() + token.text.size();
    if (token.kind == TokenKind::integer) {
      int64_t integer = 0;
      if (std::from_chars(token.text.data(), end, integer).ec != std::errc()) {
        throw SyntaxFault(token.line, "an integer beyond 64 bits");
      }
      return Value(integer);
    }
    double real = 0;
    if (std::from_chars(token.text.data(), end, real).ec != std::errc()) {
      throw SyntaxFault(token.line, "a number beyond 64 bits");
    }
    return Value(real);
  }

  ExpressionPtr list_literal() {
    Expressions items;
    while (!now().is_sign("]")) {
      items.push_back(expression());
      if (!skip_sign(",")) break;
    }
    expect_sign("]");
    return list_of(std::move(items), Sequence::Kind::list);
  }

  ExpressionPtr dict_literal() {
    std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items;
    while (!now().is_sign("}")) {
      ExpressionPtr key = expression();
      expect_sign(":");
      items.emplace_back(std::move(key), expression());
      if (!skip_sign(",")) break;
    }
    expect_sign("}");
    return dict_of(std::move(items));
  }

  /// x.y, x[y] and x(y), as often as they follow; without the last call if it ends the tag.
  ExpressionPtr postfix(ExpressionPtr of, bool last_call = true) {
    for (;;) {
      const int line = now().line;
      if (skip_sign(".")) {
        of = at_line(line, after_dot(std::move(of)));
      } else if (skip_sign("[")) {
        of = at_line(line, subscript(std::move(of)));
      } else if (now().is_sign("(") && (last_call || !call_ends_tag())) {
        of = at_line(line, called(std::move(of), call_arguments()));
      } else {
        return of;
      }
    }
  }

  /// Whether the parenthesis that opens here closes at the end of the tag.
  bool call_ends_tag() const {
    int open = 0;
    for (size_t i = at_; i < tokens_.size() && tokens_[i].kind != TokenKind::tag_end; ++i) {
      if (tokens_[i].is_sign("(")) ++open;
      if (tokens_[i].is_sign(")") && --open == 0) {
        return i + 1 >= tokens_.size() || tokens_[i + 1].kind == TokenKind::tag_end;
      }
    }
    return true;
  }

  ExpressionPtr after_dot(ExpressionPtr of) {
    if (now().kind == TokenKind::name) return attribute(std::move(of), next().text);
    if (now().kind != TokenKind::integer) fail("a name or a number after '.'");
    return item(std::move(of), constant(number(next())));
  }

  ExpressionPtr subscript(ExpressionPtr of) {
    ExpressionPtr start;
    if (!now().is_sign(":")) {
      start = expression();
      if (skip_sign("]")) return item(std::move(of), std::move(start));
      if (now().is_sign(",")) fail("']' or ':'");
    }
    expect_sign(":");
    ExpressionPtr stop;
    ExpressionPtr step;
    if (!now().is_sign(":") && !now().is_sign("]")) stop = expression();
    if (skip_sign(":") && !now().is_sign("]")) step = expression();
    expect_sign("]");
    return sliced(std::move(of), std::move(start), std::move(stop), std::move(step));
  }

  CallArguments call_arguments() {
    CallArguments out;
    expect_sign("(");
    while (!now().is_sign(")")) {
      one_argument(out);
      if (!skip_sign(",")) break;
    }
    expect_sign(")");
    return out;
  }

  void one_argument(CallArguments& out) {
    if (out.more_named) fail("')' after **");
    if (skip_sign("**")) {
      out.more_named = expression();
    } else if (skip_sign("*")) {
      if (out.more_positional) fail("one * at most");
      out.more_positional = expression();
    } else if (now().kind == TokenKind::name && after().is_sign("=")) {
      std::string name = next().text;
      next();
      out.named.emplace_back(std::move(name), expression());
    } else {
      if (!out.named.empty() || out.more_positional) fail("an argument with a name");
      out.positional.push_back(expression());
    }
  }

  ExpressionPtr filters_and_tests(ExpressionPtr of) {
    for (;;) {
      const int line = now().line;
      if (skip_sign("|")) {
        of = one_filter(std::move(of));
      } else if (skip_name("is")) {
        of = test(std::move(of), line);
      } else if (now().is_sign("(")) {
        of = at_line(line, called(std::move(of), call_arguments()));
      } else {
        return of;
      }
    }
  }

  ExpressionPtr filters(ExpressionPtr of) {
    while (skip_sign("|")) of = one_filter(std::move(of));
    return of;
  }

  std::string dotted_name(std::string_view needed) {
    std::string out = expect_name(needed);
    while (skip_sign(".")) out += "." + expect_name(needed);
    return out;
  }

  ExpressionPtr one_filter(ExpressionPtr of) {
    const int line = now().line;
    std::string filter = dotted_name("the name of a filter");
    CallArguments arguments;
    if (now().is_sign("(")) arguments = call_arguments();
    return at_line(line, filtered(std::move(of), std::move(filter), std::move(arguments)));
  }

  ExpressionPtr test(ExpressionPtr of, int line) {
    const bool negative = skip_name("not");
    std::string test = dotted_name("the name of a test");
    CallArguments arguments;
    if (now().is_sign("(")) {
      arguments = call_arguments();
    } else if (argument_follows()) {
      if (now().is_name("is")) fail("the end of the test: tests do not follow each other");
      arguments.positional.push_back(postfix(primary()));
    }
    ExpressionPtr out = at_line(line, tested(std::move(of), std::move(test), std::move(arguments)));
    return negative ? at_line(line, negated(std::move(out))) : std::move(out);
  }

  bool argument_follows() const {
    switch (now().kind) {
      case TokenKind::name:
        return !now().is_name("else") && !now().is_name("or") && !now().is_name("and");
      case TokenKind::text:
      case TokenKind::integer:
      case TokenKind::real:
        return true;
      default:
        return now().is_sign("[") || now().is_sign("{");
    }
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int loops_ = 0;                // around what is being parsed
  std::set<std::string> names_;  // read within the macro that is being parsed
};

}  // namespace

Block parse(std::string_view source) { return Parser(tokens_of(source)).run(); }

}  // namespace heed::jinja
