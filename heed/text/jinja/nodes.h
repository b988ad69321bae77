#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "heed/text/jinja/context.h"
#include "heed/text/jinja/value.h"

namespace heed::jinja {

/// A part of a template that has a value.
class Expression {
 public:
  virtual ~Expression() = default;
  Value value(Context& context) const {
    const Deeper deeper(context);
    context.line = line;
    return evaluate(context);
  }

  int line = 1;
  int height = 1;  // of the tree below: the parser bounds it

 private:
  virtual Value evaluate(Context& context) const = 0;
};
using ExpressionPtr = std::unique_ptr<const Expression>;

/// Whether a loop goes on after a statement.
enum class Flow { next, break_loop, continue_loop };

/// A part of a template that writes or sets something.
class Statement {
 public:
  virtual ~Statement() = default;
  Flow run(Context& context) const {
    const Deeper deeper(context);
    context.line = line;
    return execute(context);
  }

  int line = 1;

 private:
  virtual Flow execute(Context& context) const = 0;
};
using StatementPtr = std::unique_ptr<const Statement>;
using Block = std::vector<StatementPtr>;

/// Until the end or until a loop is left.
Flow run_all(const Block& block, Context& context);

/// What stands in the parentheses of a call.
struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr more_positional;  // *x
  ExpressionPtr more_named;       // **x

  Arguments values(Context& context) const;
};

/// What is assigned to: a name, an attribute of a namespace, or a tuple of those.
struct Target {
  std::string name;
  std::string attribute;      // "" for a plain name
  std::vector<Target> parts;  // of a tuple

  void assign(Context& context, const Value& value) const;
};

struct Parameter {
  std::string name;
  ExpressionPtr fallback;  // may be null
};

/// A macro, or the body of a call block.
struct MacroBody {
  std::string name;
  std::vector<Parameter> parameters;
  Block block;
  bool takes_more_positional = false;  // its body names varargs
  bool takes_more_named = false;       // its body names kwargs

  /// The callable, in the scope in which the macro stands. Refers to this.
  Value in(Context& context) const;
};

// Makers of every node; what they are called says what they do, docs/templates.md how.
using Expressions = std::vector<ExpressionPtr>;
ExpressionPtr constant(Value value);
ExpressionPtr name(std::string name);
ExpressionPtr list_of(Expressions items, Sequence::Kind kind);
ExpressionPtr dict_of(std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items);
ExpressionPtr negated(ExpressionPtr operand);                   // not x
ExpressionPtr signed_number(char sign, ExpressionPtr operand);  // -x, +x
ExpressionPtr arithmetic(std::string sign, ExpressionPtr left, ExpressionPtr right);
ExpressionPtr concatenated(Expressions items);  // a ~ b
ExpressionPtr compared(ExpressionPtr first,
                       std::vector<std::pair<std::string, ExpressionPtr>> more);
ExpressionPtr both(ExpressionPtr left, ExpressionPtr right);                         // and
ExpressionPtr either(ExpressionPtr left, ExpressionPtr right);                       // or
ExpressionPtr conditional(ExpressionPtr test, ExpressionPtr yes, ExpressionPtr no);  // no: or null
ExpressionPtr attribute(ExpressionPtr of, std::string name);
ExpressionPtr item(ExpressionPtr of, ExpressionPtr key);
ExpressionPtr sliced(ExpressionPtr of, ExpressionPtr start, ExpressionPtr stop,
                     ExpressionPtr step);  // each may be null
ExpressionPtr called(ExpressionPtr of, CallArguments arguments);
ExpressionPtr filtered(ExpressionPtr of, std::string filter, CallArguments arguments);
ExpressionPtr tested(ExpressionPtr of, std::string test, CallArguments arguments);
ExpressionPtr captured_text();  // what a filter of a block is applied to

struct IfBranch {
  ExpressionPtr test;
  Block block;
};
struct ForLoop {
  Target target;
  ExpressionPtr over;
  ExpressionPtr test;  // may be null
  Block block;
  Block otherwise;
};
StatementPtr text_block(std::string text);
StatementPtr printed(ExpressionPtr value);
StatementPtr if_block(std::vector<IfBranch> branches, Block otherwise);
StatementPtr for_loop(ForLoop loop);
StatementPtr set(Target target, ExpressionPtr value);
/// `filter` may be null, else it ends in captured_text().
StatementPtr set_block(Target target, ExpressionPtr filter, Block block);
StatementPtr filter_block(ExpressionPtr filter, Block block);
StatementPtr with_block(std::vector<std::pair<Target, ExpressionPtr>> values, Block block);
StatementPtr macro(MacroBody body);
/// {% call f(...) %}: f gets the body as caller().
StatementPtr call_block(ExpressionPtr callee, CallArguments arguments, MacroBody body);
StatementPtr leave_loop(Flow how);

}  // namespace heed::jinja
