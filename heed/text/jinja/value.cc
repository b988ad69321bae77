#include "heed/text/jinja/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "heed/text/unicode.h"

namespace heed::jinja {
namespace {

template <class T>
T checked_depth(T holder) {
  if (holder.depth > kDeepestValue) throw Fault("a value holds values too deep");
  return holder;
}

int deepest(const std::vector<Value>& values) {
  int depth = 0;
  for (const Value& value : values) depth = std::max(depth, value.depth());
  return depth + 1;
}

/// Equal keys have equal spellings: 1, 1.0 and True are one key.
std::string spelling_of(const Value& key) {
  if (key.is_text()) return 't' + key.text();
  if (key.is_none()) return "n";
  if (key.is_integer()) return fmt::format("i{}", key.integer());
  if (key.is_real()) {
    const double real = key.real();
    if (real == std::floor(real) && std::abs(real) < 9e18) {
      return fmt::format("i{}", static_cast<int64_t>(real));
    }
    return fmt::format("r{:x}", std::bit_cast<uint64_t>(real));
  }
  throw Fault(fmt::format(
      "needed a text or a number as the key of a dict, found a value of type {}", key.type_name()));
}

}  // namespace

const Value* Namespace::find(std::string_view name) const {
  for (const auto& [known, value] : names) {
    if (known == name) return &value;
  }
  return nullptr;
}

void Namespace::put(const std::string& name, Value value) {
  for (auto& [known, old] : names) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  names.emplace_back(name, std::move(value));
}

Value::Value(Dict dict) {
  if (dict.depth() > kDeepestValue) throw Fault("a value holds values too deep");
  data_ = std::make_shared<const Dict>(std::move(dict));
}

Value::Value(Callable callable)
    : data_(std::make_shared<const Callable>(checked_depth(std::move(callable)))) {}

Value Value::sequence(std::vector<Value> elements, Sequence::Kind kind) {
  Value value;
  Sequence sequence{.kind = kind, .elements = std::move(elements)};
  sequence.depth = deepest(sequence.elements);
  value.data_ = std::make_shared<const Sequence>(checked_depth(std::move(sequence)));
  return value;
}

Value Value::undefined(std::string why) {
  Value value;
  value.data_ = Undefined{std::make_shared<const std::string>(std::move(why))};
  return value;
}

bool Value::is_sequence(Sequence::Kind kind) const {
  return is_sequence() && sequence().kind == kind;
}

int64_t Value::integer() const {
  return is_bool() ? static_cast<int64_t>(std::get<bool>(data_)) : std::get<int64_t>(data_);
}

double Value::real() const {
  return is_real() ? std::get<double>(data_) : static_cast<double>(integer());
}

Namespace* Value::space() const {
  const auto* found = std::get_if<std::shared_ptr<Namespace>>(&data_);
  return found == nullptr ? nullptr : found->get();
}

const Callable* Value::callable() const {
  const auto* found = std::get_if<std::shared_ptr<const Callable>>(&data_);
  return found == nullptr ? nullptr : found->get();
}

const Loop* Value::loop() const {
  const auto* found = std::get_if<std::shared_ptr<const Loop>>(&data_);
  return found == nullptr ? nullptr : found->get();
}

bool Value::truth() const {
  if (is_undefined() || is_none()) return false;
  if (is_integer()) return integer() != 0;
  if (is_real()) return real() != 0;
  if (is_text()) return !text().empty();
  if (is_dict()) return dict().size() > 0;
  if (is_sequence(Sequence::Kind::iterator)) return true;  // as Python's generators
  if (is_sequence()) return !sequence().elements.empty();
  return true;
}

int Value::depth() const {
  if (is_sequence()) return sequence().depth;
  if (is_dict()) return dict().depth();
  if (const Callable* found = callable()) return found->depth;
  if (const Loop* found = loop()) return found->depth;
  return 0;
}

std::string_view Value::type_name() const {
  static constexpr std::string_view kNames[] = {"NoneType",  "Undefined", "bool",       "int",
                                                "float",     "str",       "",           "dict",
                                                "Namespace", "function",  "LoopContext"};
  static constexpr std::string_view kSequences[] = {
      "list", "tuple", "tuple", "range", "dict_keys", "dict_values", "dict_items", "generator"};
  if (is_sequence()) return kSequences[static_cast<size_t>(sequence().kind)];
  return kNames[data_.index()];
}

bool Value::is(const Value& other) const {
  if (data_.index() != other.data_.index()) return false;
  return std::visit(
      [&](const auto& mine) {
        using T = std::decay_t<decltype(mine)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          return true;
        } else if constexpr (std::is_same_v<T, Undefined>) {
          return mine.why == std::get<Undefined>(other.data_).why;
        } else if constexpr (std::is_same_v<T, Text>) {
          return *mine == *std::get<T>(other.data_);
        } else {
          return mine == std::get<T>(other.data_);
        }
      },
      data_);
}

void Dict::put(const Value& key, Value value) {
  const auto [place, fresh] = places_.emplace(spelling_of(key), items_.size());
  depth_ = std::max(depth_, value.depth() + 1);
  if (fresh) {
    items_.emplace_back(key, std::move(value));
  } else {
    items_[place->second].second = std::move(value);
  }
}

const Value* Dict::find(std::string_view key) const {
  const auto place = places_.find('t' + std::string(key));
  return place == places_.end() ? nullptr : &items_[place->second].second;
}

const Value* Dict::find(const Value& key) const {
  if (key.is_text()) return find(key.text());
  const auto place = places_.find(spelling_of(key));
  return place == places_.end() ? nullptr : &items_[place->second].second;
}

bool equal(const Value& a, const Value& b, Budget& budget) {
  budget.step();
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
    return a.real() == b.real();
  }
  if (a.is_undefined() || b.is_undefined()) return a.is_undefined() && b.is_undefined();
  if (a.is_sequence() && b.is_sequence()) {
    const Sequence& left = a.sequence();
    const Sequence& right = b.sequence();
    if (&left == &right) return true;
    if (a.type_name() != b.type_name() || left.kind == Sequence::Kind::iterator) return false;
    return std::equal(left.elements.begin(), left.elements.end(), right.elements.begin(),
                      right.elements.end(),
                      [&](const Value& x, const Value& y) { return equal(x, y, budget); });
  }
  if (a.is_dict() && b.is_dict()) {
    if (a.dict().size() != b.dict().size()) return false;
    for (const auto& [key, value] : a.dict().items()) {
      const Value* other = b.dict().find(key);
      if (other == nullptr || !equal(value, *other, budget)) return false;
    }
    return true;
  }
  if (a.is_text() && b.is_text()) {
    budget.step(std::min(a.text().size(), b.text().size()) / 64);
  }
  return a.is(b);
}

bool less(const Value& a, const Value& b, Budget& budget) {
  budget.step();
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) return a.integer() < b.integer();
    return a.real() < b.real();
  }
  // bytes of UTF-8 have the order of code points
  if (a.is_text() && b.is_text()) {
    budget.step(std::min(a.text().size(), b.text().size()) / 64);
    return a.text() < b.text();
  }
  const auto ordered = [](const Value& value) {
    return value.is_sequence() && (value.type_name() == "list" || value.type_name() == "tuple");
  };
  if (ordered(a) && ordered(b) && a.type_name() == b.type_name()) {
    const auto& left = a.sequence().elements;
    const auto& right = b.sequence().elements;
    for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
      if (!equal(left[i], right[i], budget)) return less(left[i], right[i], budget);
    }
    return left.size() < right.size();
  }
  for (const Value* value : {&a, &b}) {
    if (value->is_undefined()) throw Fault(value->why_undefined());
  }
  throw Fault(fmt::format("a value of type {} and one of type {} have no order", a.type_name(),
                          b.type_name()));
}

std::vector<Value> elements_of(const Value& value, Budget& budget) {
  std::vector<Value> out;
  if (value.is_undefined()) return out;
  if (value.is_sequence()) {
    const Sequence& sequence = value.sequence();
    const size_t from = std::exchange(
        sequence.taken, sequence.kind == Sequence::Kind::iterator ? sequence.elements.size() : 0);
    budget.make((sequence.elements.size() - from) * sizeof(Value));
    out.assign(sequence.elements.begin() + static_cast<std::ptrdiff_t>(from),
               sequence.elements.end());
  } else if (value.is_dict()) {
    budget.make(value.dict().size() * sizeof(Value));
    for (const auto& [key, member] : value.dict().items()) out.push_back(key);
  } else if (value.is_text()) {
    budget.make(value.text().size() * sizeof(Value) * 3);
    for (const char32_t c : decode_utf8(value.text()).chars) {
      out.emplace_back(to_utf8(std::u32string_view(&c, 1)));
    }
  } else {
    throw Fault(fmt::format("a value of type {} cannot be gone through", value.type_name()));
  }
  budget.step(out.size());
  return out;
}

int64_t length_of(const Value& value) {
  if (value.is_undefined()) return 0;
  if (value.is_dict()) return static_cast<int64_t>(value.dict().size());
  if (value.is_text()) {
    const auto starts = [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; };
    return std::count_if(value.text().begin(), value.text().end(), starts);
  }
  if (value.is_sequence() && value.sequence().kind != Sequence::Kind::iterator) {
    return static_cast<int64_t>(value.sequence().elements.size());
  }
  if (const Loop* loop = value.loop()) return static_cast<int64_t>(loop->length());
  throw Fault(fmt::format("a value of type {} has no length", value.type_name()));
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

Value Value::as_markup() const {
  Value out = *this;
  out.markup_ = is_text();
  return out;
}

bool is_python_space(char32_t c) { return is_whitespace(c) || (c >= 0x1C && c <= 0x1F); }

Value made(std::string text, Budget& budget) {
  budget.make(text.size() + sizeof(Value));
  return Value(std::move(text));
}

Value made(std::vector<Value> elements, Budget& budget, Sequence::Kind kind) {
  budget.make((elements.size() + 1) * sizeof(Value));
  return Value::sequence(std::move(elements), kind);
}

}  // namespace heed::jinja
