#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "heed/text/jinja/budget.h"

namespace heed::jinja {

class Value;
class Context;
class Dict;

/// How deep values may hold values, which bounds every recursion over them.
inline constexpr int kDeepestValue = 200;

/// A list, or what Python has instead of one.
struct Sequence {
  enum class Kind { list, tuple, group, range, keys, values, items, iterator };
  Kind kind = Kind::list;
  std::vector<Value> elements;
  int depth = 1;
  mutable size_t taken = 0;  // of an iterator, which gives its elements once
};

/// {% set space.name = ... %}: the one value that changes.
struct Namespace {
  std::vector<std::pair<std::string, Value>> names;
  const Value* find(std::string_view name) const;
  void put(const std::string& name, Value value);
};

/// What stands between the parentheses of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// A macro, a method with the value it belongs to, or a function that templates know.
struct Callable {
  std::string name;
  std::function<Value(Context&, const Arguments&)> call;
  int depth = 1;
};

/// `loop` of a for loop.
struct Loop;

/// A value as templates have them: Python's, as far as Jinja reaches. Cheap to copy; nothing but a
/// Namespace ever changes.
class Value {
 public:
  Value() = default;  // None
  explicit Value(bool value) : data_(value) {}
  explicit Value(int64_t value) : data_(value) {}
  explicit Value(double value) : data_(value) {}
  explicit Value(std::string text) : data_(std::make_shared<const std::string>(std::move(text))) {}
  explicit Value(const char*) = delete;  // which would be a bool
  explicit Value(std::shared_ptr<Namespace> space) : data_(std::move(space)) {}
  explicit Value(std::shared_ptr<const Loop> loop) : data_(std::move(loop)) {}
  /// Fault for what holds values too deep.
  explicit Value(Dict dict);
  explicit Value(Callable callable);
  static Value sequence(std::vector<Value> elements, Sequence::Kind kind = Sequence::Kind::list);
  /// `why` is what a use of it will say: "'x' is undefined".
  static Value undefined(std::string why);

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_real() const { return std::holds_alternative<double>(data_); }
  /// Python's int, of which bool is one.
  bool is_integer() const { return is_bool() || std::holds_alternative<int64_t>(data_); }
  bool is_number() const { return is_integer() || is_real(); }
  bool is_text() const { return std::holds_alternative<Text>(data_); }
  bool is_sequence() const { return std::holds_alternative<SequencePtr>(data_); }
  bool is_sequence(Sequence::Kind kind) const;
  bool is_dict() const { return std::holds_alternative<DictPtr>(data_); }

  // Each only where is_...() says so.
  int64_t integer() const;
  double real() const;  // of any number
  const std::string& text() const { return *std::get<Text>(data_); }
  /// A text that `safe` or `escape` made: markupsafe's Markup, which escapes what joins it.
  bool is_markup() const { return markup_; }
  Value as_markup() const;
  const Sequence& sequence() const { return *std::get<SequencePtr>(data_); }
  const Dict& dict() const { return *std::get<DictPtr>(data_); }
  const std::string& why_undefined() const { return *std::get<Undefined>(data_).why; }
  // Null if it is none.
  Namespace* space() const;
  const Callable* callable() const;
  const Loop* loop() const;

  bool truth() const;
  /// 0 for what holds no values.
  int depth() const;
  /// Python's name of the type: "str", "NoneType".
  std::string_view type_name() const;
  /// Python's `is`.
  bool is(const Value& other) const;

 private:
  using Text = std::shared_ptr<const std::string>;
  using SequencePtr = std::shared_ptr<const Sequence>;
  using DictPtr = std::shared_ptr<const Dict>;
  struct Undefined {
    std::shared_ptr<const std::string> why;
  };
  std::variant<std::monostate, Undefined, bool, int64_t, double, Text, SequencePtr, DictPtr,
               std::shared_ptr<Namespace>, std::shared_ptr<const Callable>,
               std::shared_ptr<const Loop>>
      data_;
  bool markup_ = false;
};

/// In the order in which keys came; a key's last value stays, in its first place.
class Dict {
 public:
  /// Fault for a key that Python cannot hash, or that Heed does not take (a tuple).
  void put(const Value& key, Value value);
  void put(const std::string& key, Value value) { put(Value(key), std::move(value)); }
  const Value* find(std::string_view key) const;
  const Value* find(const Value& key) const;
  const std::vector<std::pair<Value, Value>>& items() const { return items_; }
  size_t size() const { return items_.size(); }
  int depth() const { return depth_; }

 private:
  std::vector<std::pair<Value, Value>> items_;
  std::unordered_map<std::string, size_t> places_;  // by the key's spelling
  int depth_ = 1;
};

struct Loop {
  mutable std::vector<Value> items;  // known so far
  size_t at = 0;                     // the current one
  int depth = 1;
  /// Finds one item more; false at the end. A loop's condition is asked as late as that, since its
  /// body may change what it says. Empty once the loop is over.
  std::function<bool()> find_more;

  bool has_next() const { return at + 1 < items.size() || (find_more && find_more()); }
  size_t length() const {
    while (find_more && find_more()) continue;
    return items.size();
  }
  mutable std::vector<Value> last_changed;  // what loop.changed() was given last
  mutable bool asked_changed = false;
};

/// Python's ==. Takes steps for each value looked at.
bool equal(const Value& a, const Value& b, Budget& budget);
/// Python's <; Fault for types that have no order between them.
bool less(const Value& a, const Value& b, Budget& budget);

/// What a loop over it goes through; an iterator is used up. Fault for what cannot be gone through.
std::vector<Value> elements_of(const Value& value, Budget& budget);
/// Python's len().
int64_t length_of(const Value& value);

/// The characters of a text: a text of ASCII alone is not decoded.
bool is_ascii(std::string_view text);
/// White space of Python's str.strip().
bool is_python_space(char32_t c);
/// A text that takes from the budget.
Value made(std::string text, Budget& budget);
Value made(std::vector<Value> elements, Budget& budget, Sequence::Kind kind = Sequence::Kind::list);

}  // namespace heed::jinja
