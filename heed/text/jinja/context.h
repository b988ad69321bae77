#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "heed/text/jinja/value.h"

namespace heed::jinja {

/// The names that a block of a template sets; what it does not find it asks its parent for.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<std::string, Value>> names;

  const Value* find(std::string_view name) const;
  void set(const std::string& name, Value value);
};

/// One rendering.
class Context {
 public:
  Context(Budget limits, std::time_t time) : budget(limits), now(time) {}
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// Undefined if no scope has it.
  Value find(std::string_view name) const;
  /// What holds values and can be held by them, in a circle too: emptied at the end.
  void keep(std::shared_ptr<Scope> kept) { scopes_.push_back(std::move(kept)); }
  void keep(std::shared_ptr<Namespace> kept) { spaces_.push_back(std::move(kept)); }

  Budget budget;
  std::time_t now;  // of strftime_now()
  std::shared_ptr<Scope> scope = std::make_shared<Scope>();
  std::string* out = nullptr;  // where text goes at present
  Value captured;              // the text of the block that a filter is applied to
  int line = 1;                // of what is being evaluated
  int depth = 0;               // of evaluations within evaluations

 private:
  std::vector<std::shared_ptr<Scope>> scopes_;
  std::vector<std::shared_ptr<Namespace>> spaces_;
};

/// One more evaluation within the others. Fault if there are too many.
class Deeper {
 public:
  explicit Deeper(Context& context);
  ~Deeper() { --context_.depth; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;

 private:
  Context& context_;
};

/// A scope of its own for a while.
class Inside {
 public:
  Inside(Context& context, std::shared_ptr<Scope> scope)
      : context_(context), before_(std::exchange(context.scope, std::move(scope))) {}
  explicit Inside(Context& context)
      : Inside(context, std::make_shared<Scope>(Scope{.parent = context.scope})) {}
  ~Inside() { context_.scope = std::move(before_); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  Context& context_;
  std::shared_ptr<Scope> before_;
};

/// Text goes to a string of its own for a while.
class Capture {
 public:
  explicit Capture(Context& context)
      : context_(context), before_(std::exchange(context.out, &text)) {}
  ~Capture() { context_.out = before_; }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  std::string text;

 private:
  Context& context_;
  std::string* before_;
};

}  // namespace heed::jinja
