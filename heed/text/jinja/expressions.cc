#include <fmt/format.h>

#include <algorithm>

#include "heed/text/jinja/filters.h"
#include "heed/text/jinja/nodes.h"
#include "heed/text/jinja/operators.h"
#include "heed/text/jinja/print.h"

namespace heed::jinja {
namespace {

/// A node whose value is what `compute(context)` gives.
template <class Compute>
class Computed final : public Expression {
 public:
  explicit Computed(Compute compute) : compute_(std::move(compute)) {}

 private:
  Value evaluate(Context& context) const override { return compute_(context); }
  Compute compute_;
};

/// `parts` are the nodes below, which `compute` owns.
template <class Compute>
ExpressionPtr node(std::initializer_list<const Expression*> parts, Compute compute) {
  int height = 0;
  for (const Expression* part : parts)
    height = std::max(height, part == nullptr ? 0 : part->height);
  auto made = std::make_unique<Computed<Compute>>(std::move(compute));
  made->height = height + 1;
  return made;
}

int tallest(const Expressions& items) {
  int height = 0;
  for (const auto& item : items) height = std::max(height, item->height);
  return height;
}

int tallest(const CallArguments& arguments) {
  int height = tallest(arguments.positional);
  for (const auto& [name, value] : arguments.named) height = std::max(height, value->height);
  for (const auto* more : {&arguments.more_positional, &arguments.more_named}) {
    if (*more) height = std::max(height, (*more)->height);
  }
  return height;
}

/// The same for nodes with lists of parts.
template <class Compute>
ExpressionPtr tall_node(int height, Compute compute) {
  auto made = std::make_unique<Computed<Compute>>(std::move(compute));
  made->height = height + 1;
  return made;
}

Value value_or_none(const ExpressionPtr& expression, Context& context) {
  return expression ? expression->value(context) : Value();
}

Value call(Context& context, const Value& callee, const Arguments& arguments) {
  if (const Callable* callable = callee.callable()) return callable->call(context, arguments);
  if (callee.is_undefined()) throw Fault(callee.why_undefined());
  throw Fault(fmt::format("a value of type {} cannot be called", callee.type_name()));
}

}  // namespace

Arguments CallArguments::values(Context& context) const {
  Arguments out;
  for (const auto& argument : positional) out.positional.push_back(argument->value(context));
  for (const auto& [name, argument] : named) out.named.emplace_back(name, argument->value(context));
  if (more_positional) {
    for (Value& value : elements_of(more_positional->value(context), context.budget)) {
      out.positional.push_back(std::move(value));
    }
  }
  if (more_named) {
    const Value more = more_named->value(context);
    if (!more.is_dict()) throw Fault("** needs a dict");
    for (const auto& [key, value] : more.dict().items()) {
      if (!key.is_text()) throw Fault("** needs a dict of names");
      out.named.emplace_back(key.text(), value);
    }
  }
  return out;
}

ExpressionPtr constant(Value value) {
  return node({}, [value = std::move(value)](Context&) { return value; });
}

ExpressionPtr name(std::string name) {
  return node({}, [name = std::move(name)](Context& context) { return context.find(name); });
}

ExpressionPtr captured_text() {
  return node({}, [](Context& context) { return context.captured; });
}

ExpressionPtr list_of(Expressions items, Sequence::Kind kind) {
  const int height = tallest(items);
  return tall_node(height, [items = std::move(items), kind](Context& context) {
    std::vector<Value> values;
    for (const auto& item : items) values.push_back(item->value(context));
    return made(std::move(values), context.budget, kind);
  });
}

ExpressionPtr dict_of(std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items) {
  int height = 0;
  for (const auto& [key, value] : items) height = std::max({height, key->height, value->height});
  return tall_node(height, [items = std::move(items)](Context& context) {
    Dict dict;
    context.budget.make((items.size() + 1) * sizeof(Value) * 4);
    for (const auto& [key, value] : items) {
      const Value name = key->value(context);
      if (name.is_text()) context.budget.make(name.text().size());
      dict.put(name, value->value(context));
    }
    return Value(std::move(dict));
  });
}

ExpressionPtr negated(ExpressionPtr operand) {
  const Expression* part = operand.get();
  return node({part}, [operand = std::move(operand)](Context& context) {
    return Value(!operand->value(context).truth());
  });
}

ExpressionPtr signed_number(char sign, ExpressionPtr operand) {
  const Expression* part = operand.get();
  return node({part}, [sign, operand = std::move(operand)](Context& context) {
    const Value value = operand->value(context);
    const Value minus = negative(value);  // which checks the type
    return sign == '-' ? minus : value.is_bool() ? Value(value.integer()) : value;
  });
}

ExpressionPtr arithmetic(std::string sign, ExpressionPtr left, ExpressionPtr right) {
  const Expression* parts[] = {left.get(), right.get()};
  return node({parts[0], parts[1]}, [sign = std::move(sign), left = std::move(left),
                                     right = std::move(right)](Context& context) {
    const Value a = left->value(context);
    const Value b = right->value(context);
    return arithmetic(sign, a, b, context.budget);
  });
}

ExpressionPtr concatenated(Expressions items) {
  const int height = tallest(items);
  return tall_node(height, [items = std::move(items)](Context& context) {
    std::string text;
    for (const auto& item : items) {
      const std::string part = to_text(item->value(context), context.budget);
      context.budget.make(part.size());
      text += part;
    }
    return made(std::move(text), context.budget);
  });
}

ExpressionPtr compared(ExpressionPtr first,
                       std::vector<std::pair<std::string, ExpressionPtr>> more) {
  int height = first->height;
  for (const auto& [sign, operand] : more) height = std::max(height, operand->height);
  return tall_node(height, [first = std::move(first), more = std::move(more)](Context& context) {
    Value left = first->value(context);
    for (const auto& [sign, operand] : more) {
      Value right = operand->value(context);
      if (!compare(sign, left, right, context.budget)) return Value(false);
      left = std::move(right);
    }
    return Value(true);
  });
}

ExpressionPtr both(ExpressionPtr left, ExpressionPtr right) {
  const Expression* parts[] = {left.get(), right.get()};
  return node({parts[0], parts[1]},
              [left = std::move(left), right = std::move(right)](Context& context) {
                Value first = left->value(context);
                return first.truth() ? right->value(context) : first;
              });
}

ExpressionPtr either(ExpressionPtr left, ExpressionPtr right) {
  const Expression* parts[] = {left.get(), right.get()};
  return node({parts[0], parts[1]},
              [left = std::move(left), right = std::move(right)](Context& context) {
                Value first = left->value(context);
                return first.truth() ? first : right->value(context);
              });
}

ExpressionPtr conditional(ExpressionPtr test, ExpressionPtr yes, ExpressionPtr no) {
  const Expression* parts[] = {test.get(), yes.get(), no.get()};
  return node({parts[0], parts[1], parts[2]},
              [test = std::move(test), yes = std::move(yes), no = std::move(no)](Context& context) {
                if (test->value(context).truth()) return yes->value(context);
                if (no) return no->value(context);
                return Value::undefined(
                    "the inline if-expression evaluated to false and no else section was defined.");
              });
}

ExpressionPtr attribute(ExpressionPtr of, std::string name) {
  const Expression* part = of.get();
  return node({part}, [of = std::move(of), name = std::move(name)](Context& context) {
    return attribute_of(of->value(context), name);
  });
}

ExpressionPtr item(ExpressionPtr of, ExpressionPtr key) {
  const Expression* parts[] = {of.get(), key.get()};
  return node({parts[0], parts[1]}, [of = std::move(of), key = std::move(key)](Context& context) {
    const Value value = of->value(context);
    return item_of(value, key->value(context), context.budget);
  });
}

ExpressionPtr sliced(ExpressionPtr of, ExpressionPtr start, ExpressionPtr stop,
                     ExpressionPtr step) {
  const Expression* parts[] = {of.get(), start.get(), stop.get(), step.get()};
  return node({parts[0], parts[1], parts[2], parts[3]},
              [of = std::move(of), start = std::move(start), stop = std::move(stop),
               step = std::move(step)](Context& context) {
                const Value value = of->value(context);
                const Value from = value_or_none(start, context);
                const Value to = value_or_none(stop, context);
                return slice_of(value, from, to, value_or_none(step, context), context.budget);
              });
}

ExpressionPtr called(ExpressionPtr of, CallArguments arguments) {
  const int height = std::max(of->height, tallest(arguments));
  return tall_node(height,
                   [of = std::move(of), arguments = std::move(arguments)](Context& context) {
                     const int line = context.line;
                     const Value callee = of->value(context);
                     const Arguments values = arguments.values(context);
                     context.line = line;
                     return call(context, callee, values);
                   });
}

ExpressionPtr filtered(ExpressionPtr of, std::string filter, CallArguments arguments) {
  const int height = std::max(of->height, tallest(arguments));
  return tall_node(height, [of = std::move(of), filter = std::move(filter),
                            arguments = std::move(arguments)](Context& context) {
    const int line = context.line;
    const Value input = of->value(context);
    const Arguments values = arguments.values(context);
    context.line = line;
    return apply_filter(filter, context, input, values);
  });
}

ExpressionPtr tested(ExpressionPtr of, std::string test, CallArguments arguments) {
  const int height = std::max(of->height, tallest(arguments));
  return tall_node(height, [of = std::move(of), test = std::move(test),
                            arguments = std::move(arguments)](Context& context) {
    const Value input = of->value(context);
    return Value(apply_test(test, context, input, arguments.values(context)));
  });
}

}  // namespace heed::jinja
