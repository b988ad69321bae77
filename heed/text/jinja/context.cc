#include "heed/text/jinja/context.h"

#include <fmt/format.h>

namespace heed::jinja {

const Value* Scope::find(std::string_view name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
    for (const auto& [known, value] : scope->names) {
      if (known == name) return &value;
    }
  }
  return nullptr;
}

void Scope::set(const std::string& name, Value value) {
  for (auto& [known, old] : names) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  names.emplace_back(name, std::move(value));
}

Context::~Context() {
  for (const auto& kept : spaces_) kept->names.clear();
  for (const auto& kept : scopes_) kept->names.clear();
}

Value Context::find(std::string_view name) const {
  const Value* found = scope->find(name);
  return found != nullptr ? *found : Value::undefined(fmt::format("'{}' is undefined", name));
}

Deeper::Deeper(Context& context) : context_(context) {
  constexpr int kDeepest = 1000;  // a few hundred bytes of stack each
  if (context.depth >= kDeepest) throw BudgetFault("macros call each other too deep");
  ++context.depth;
  context.budget.step();
}

}  // namespace heed::jinja
