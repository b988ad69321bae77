#include <fmt/format.h>

#include <algorithm>

#include "heed/text/jinja/nodes.h"
#include "heed/text/jinja/print.h"

namespace heed::jinja {
namespace {

/// A node that does what `act(context)` does.
template <class Act>
class Acted final : public Statement {
 public:
  explicit Acted(Act act) : act_(std::move(act)) {}

 private:
  Flow execute(Context& context) const override { return act_(context); }
  Act act_;
};

template <class Act>
StatementPtr node(Act act) {
  return std::make_unique<Acted<Act>>(std::move(act));
}

void write(Context& context, std::string_view text) {
  context.budget.make(text.size());
  *context.out += text;
}

/// What a macro was called with, as the names of its scope.
class Binding {
 public:
  Binding(const MacroBody& macro, Context& context, const Arguments& given)
      : macro_(macro), context_(context), given_(given), used_(given.named.size()) {}

  void run() {
    for (size_t i = 0; i < macro_.parameters.size(); ++i) bind(i);
    const Value* caller = named("caller");
    if (macro_.name != "caller" && context_.scope->names.end() == find_own("caller")) {
      context_.scope->set("caller",
                          caller != nullptr ? *caller : Value::undefined("No caller defined"));
    }
    const size_t count = macro_.parameters.size();
    if (macro_.takes_more_positional) {
      const size_t from = std::min(count, given_.positional.size());
      context_.scope->set("varargs",
                          made({given_.positional.begin() + static_cast<std::ptrdiff_t>(from),
                                given_.positional.end()},
                               context_.budget, Sequence::Kind::tuple));
    } else if (given_.positional.size() > count) {
      throw Fault(fmt::format("macro '{}' takes at most {} arguments, found {}", macro_.name, count,
                              given_.positional.size()));
    }
    rest_of_names();
  }

 private:
  std::vector<std::pair<std::string, Value>>::iterator find_own(std::string_view name) {
    auto& names = context_.scope->names;
    return std::find_if(names.begin(), names.end(),
                        [&](const auto& item) { return item.first == name; });
  }

  const Value* named(std::string_view name) {
    for (size_t i = 0; i < given_.named.size(); ++i) {
      if (given_.named[i].first != name) continue;
      used_[i] = true;
      return &given_.named[i].second;
    }
    return nullptr;
  }

  void bind(size_t i) {
    const Parameter& parameter = macro_.parameters[i];
    const Value* by_name = i < given_.positional.size() ? nullptr : named(parameter.name);
    Value value;
    if (i < given_.positional.size()) {
      value = given_.positional[i];
    } else if (by_name != nullptr) {
      value = *by_name;
    } else if (parameter.fallback) {
      value = parameter.fallback->value(context_);
    } else {
      value = Value::undefined(fmt::format("parameter '{}' was not provided", parameter.name));
    }
    context_.scope->set(parameter.name, std::move(value));
  }

  void rest_of_names() {
    Dict rest;
    for (size_t i = 0; i < given_.named.size(); ++i) {
      const auto& [name, value] = given_.named[i];
      if (used_[i]) continue;
      if (!macro_.takes_more_named) {
        throw Fault(fmt::format("macro '{}' takes no argument named '{}'", macro_.name, name));
      }
      context_.budget.make(name.size());
      rest.put(name, value);
    }
    if (macro_.takes_more_named) context_.scope->set("kwargs", Value(std::move(rest)));
  }

  const MacroBody& macro_;
  Context& context_;
  const Arguments& given_;
  std::vector<bool> used_;
};

class For {
 public:
  For(const ForLoop& loop, Context& context)
      : loop_(loop), context_(context), outside_(context.scope), over_(items()) {
    int depth = 0;
    for (const Value& value : over_) depth = std::max(depth, value.depth());
    if (depth >= kDeepestValue) throw Fault("a value holds values too deep");
    state_->depth = depth + 1;
    state_->find_more = [this] { return find_more(); };
  }
  ~For() { state_->find_more = nullptr; }
  For(const For&) = delete;
  For& operator=(const For&) = delete;

  Flow run() {
    if (!find_more()) {
      const Inside inside(context_);
      return run_all(loop_.otherwise, context_);
    }
    const Value shown{std::shared_ptr<const Loop>(state_)};
    for (bool more = true; more; ++state_->at) {
      const Inside inside(context_);
      context_.scope->set("loop", shown);
      loop_.target.assign(context_, state_->items[state_->at]);
      if (run_all(loop_.block, context_) == Flow::break_loop) break;
      more = state_->has_next();
    }
    return Flow::next;
  }

 private:
  std::vector<Value> items() {
    const int line = context_.line;
    const Value over = loop_.over->value(context_);
    context_.line = line;
    return elements_of(over, context_.budget);
  }

  bool find_more() {
    while (next_ < over_.size()) {
      Value& value = over_[next_++];
      if (!keeps(value)) continue;
      state_->items.push_back(std::move(value));
      return true;
    }
    return false;
  }

  bool keeps(const Value& value) {
    if (!loop_.test) return true;
    const Inside inside(context_, std::make_shared<Scope>(Scope{.parent = outside_}));
    loop_.target.assign(context_, value);
    return loop_.test->value(context_).truth();
  }

  const ForLoop& loop_;
  Context& context_;
  std::shared_ptr<Scope> outside_;
  std::vector<Value> over_;
  size_t next_ = 0;
  std::shared_ptr<Loop> state_ = std::make_shared<Loop>();
};

/// A filter of a block, applied to its text.
Value filtered_block(const ExpressionPtr& filter, std::string text, Context& context) {
  Value value = made(std::move(text), context.budget);
  if (!filter) return value;
  Value before = std::exchange(context.captured, std::move(value));
  Value result = filter->value(context);
  context.captured = std::move(before);
  return result;
}

}  // namespace

Flow run_all(const Block& block, Context& context) {
  for (const auto& statement : block) {
    if (const Flow flow = statement->run(context); flow != Flow::next) return flow;
  }
  return Flow::next;
}

void Target::assign(Context& context, const Value& value) const {
  if (!parts.empty()) {
    const auto values = elements_of(value, context.budget);
    if (values.size() != parts.size()) {
      throw Fault(fmt::format("needed {} values to assign, found {}", parts.size(), values.size()));
    }
    for (size_t i = 0; i < parts.size(); ++i) parts[i].assign(context, values[i]);
    return;
  }
  if (attribute.empty()) return context.scope->set(name, value);
  Namespace* space = context.find(name).space();
  if (space == nullptr) {
    throw Fault(fmt::format("'{}' is no namespace: only those have attributes to set", name));
  }
  if (attribute.starts_with('_')) {
    throw Fault(fmt::format("a namespace takes no name that begins with _, found '{}'", attribute));
  }
  space->put(attribute, value);
}

Value MacroBody::in(Context& context) const {
  context.keep(context.scope);
  return Value(
      Callable{.name = name,
               .call = [this, scope = context.scope](Context& at_call, const Arguments& given) {
                 const Inside inside(at_call, std::make_shared<Scope>(Scope{.parent = scope}));
                 Binding(*this, at_call, given).run();
                 Capture capture(at_call);
                 run_all(block, at_call);
                 return made(std::move(capture.text), at_call.budget);
               }});
}

StatementPtr text_block(std::string text) {
  return node([text = std::move(text)](Context& context) {
    write(context, text);
    return Flow::next;
  });
}

StatementPtr printed(ExpressionPtr value) {
  return node([value = std::move(value)](Context& context) {
    write(context, to_text(value->value(context), context.budget));
    return Flow::next;
  });
}

StatementPtr if_block(std::vector<IfBranch> branches, Block otherwise) {
  return node([branches = std::move(branches), otherwise = std::move(otherwise)](Context& context) {
    for (const IfBranch& branch : branches) {
      if (branch.test->value(context).truth()) return run_all(branch.block, context);
    }
    return run_all(otherwise, context);
  });
}

StatementPtr for_loop(ForLoop loop) {
  return node([loop = std::move(loop)](Context& context) { return For(loop, context).run(); });
}

StatementPtr set(Target target, ExpressionPtr value) {
  return node([target = std::move(target), value = std::move(value)](Context& context) {
    target.assign(context, value->value(context));
    return Flow::next;
  });
}

StatementPtr set_block(Target target, ExpressionPtr filter, Block block) {
  return node([target = std::move(target), filter = std::move(filter),
               block = std::move(block)](Context& context) {
    Value value;
    {
      Capture capture(context);
      const Inside inside(context);
      if (const Flow flow = run_all(block, context); flow != Flow::next) return flow;
      value = filtered_block(filter, std::move(capture.text), context);
    }
    target.assign(context, value);
    return Flow::next;
  });
}

StatementPtr filter_block(ExpressionPtr filter, Block block) {
  return node([filter = std::move(filter), block = std::move(block)](Context& context) {
    std::string text;
    {
      Capture capture(context);
      const Inside inside(context);
      if (const Flow flow = run_all(block, context); flow != Flow::next) return flow;
      text = to_text(filtered_block(filter, std::move(capture.text), context), context.budget);
    }
    write(context, text);
    return Flow::next;
  });
}

StatementPtr with_block(std::vector<std::pair<Target, ExpressionPtr>> values, Block block) {
  return node([values = std::move(values), block = std::move(block)](Context& context) {
    std::vector<Value> given;  // none of which sees the names of the others
    for (const auto& [target, value] : values) given.push_back(value->value(context));
    const Inside inside(context);
    for (size_t i = 0; i < values.size(); ++i) values[i].first.assign(context, given[i]);
    return run_all(block, context);
  });
}

StatementPtr macro(MacroBody body) {
  const auto shared = std::make_shared<const MacroBody>(std::move(body));
  return node([shared](Context& context) {
    context.scope->set(shared->name, shared->in(context));
    return Flow::next;
  });
}

StatementPtr call_block(ExpressionPtr callee, CallArguments arguments, MacroBody body) {
  return node([callee = std::move(callee), arguments = std::move(arguments),
               body = std::make_shared<const MacroBody>(std::move(body))](Context& context) {
    const Value function = callee->value(context);
    Arguments values = arguments.values(context);
    values.named.emplace_back("caller", body->in(context));
    const Callable* callable = function.callable();
    if (callable == nullptr) {
      throw Fault(function.is_undefined() ? function.why_undefined()
                                          : "a call block needs something to call");
    }
    write(context, to_text(callable->call(context, values), context.budget));
    return Flow::next;
  });
}

StatementPtr leave_loop(Flow how) {
  return node([how](Context&) { return how; });
}

}  // namespace heed::jinja
