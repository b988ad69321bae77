#include "heed/text/jinja/methods.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "heed/text/jinja/arguments.h"
#include "heed/text/jinja/context.h"

namespace heed::jinja {
namespace {

template <class Call>
Value method(const Value& of, std::string_view name, Call call) {
  return Value(
      Callable{.name = std::string(name), .call = std::move(call), .depth = of.depth() + 1});
}

template <size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Value unsafe(const Value& of, std::string_view name) {
  return Value::undefined(
      fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, of.type_name()));
}

std::optional<Value> dict_view(const Value& of, std::string_view name, Sequence::Kind kind) {
  return method(of, name, [of, kind](Context& context, const Arguments& given) {
    expect_no_arguments("a dict's method", given);
    std::vector<Value> out;
    for (const auto& [key, value] : of.dict().items()) {
      if (kind == Sequence::Kind::items) {
        out.push_back(made({key, value}, context.budget, Sequence::Kind::tuple));
      } else {
        out.push_back(kind == Sequence::Kind::keys ? key : value);
      }
    }
    return made(std::move(out), context.budget, kind);
  });
}

std::optional<Value> dict_method(const Value& of, std::string_view name) {
  static constexpr std::array<std::string_view, 5> kChanging = {"clear", "pop", "popitem",
                                                                "setdefault", "update"};
  if (is_one_of(name, kChanging)) return unsafe(of, name);
  if (name == "items") return dict_view(of, name, Sequence::Kind::items);
  if (name == "keys") return dict_view(of, name, Sequence::Kind::keys);
  if (name == "values") return dict_view(of, name, Sequence::Kind::values);
  if (name == "copy") return method(of, name, [of](Context&, const Arguments&) { return of; });
  if (name != "get") return std::nullopt;
  return method(of, name, [of](Context&, const Arguments& given) {
    const Bound bound("get", given, {"key", "default"});
    const Value* found = of.dict().find(bound.needed(0));
    return found != nullptr ? *found : bound.value(1);
  });
}

std::optional<Value> list_method(const Value& of, std::string_view name) {
  static constexpr std::array<std::string_view, 8> kChanging = {
      "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"};
  const bool is_list = of.type_name() == "list";
  if (is_list && is_one_of(name, kChanging)) return unsafe(of, name);
  if (is_list && name == "copy") {
    return method(of, name, [of](Context&, const Arguments&) { return of; });
  }
  if (of.is_sequence(Sequence::Kind::group)) {
    if (name == "grouper") return of.sequence().elements[0];
    if (name == "list") return of.sequence().elements[1];
  }
  if (!is_list && of.type_name() != "tuple") return std::nullopt;
  if (name == "count") {
    return method(of, name, [of](Context& context, const Arguments& given) {
      const Bound bound("count", given, {"value"});
      int64_t count = 0;
      for (const Value& element : of.sequence().elements) {
        count += static_cast<int64_t>(equal(element, bound.needed(0), context.budget));
      }
      return Value(count);
    });
  }
  if (name != "index") return std::nullopt;
  return method(of, name, [of](Context& context, const Arguments& given) {
    const Bound bound("index", given, {"value"});
    const auto& elements = of.sequence().elements;
    const auto at = std::find_if(elements.begin(), elements.end(), [&](const Value& element) {
      return equal(element, bound.needed(0), context.budget);
    });
    if (at == elements.end()) throw Fault("index: the list does not hold the value");
    return Value(static_cast<int64_t>(at - elements.begin()));
  });
}

Value loop_changed(const Value& of) {
  return method(of, "changed", [of](Context& context, const Arguments& given) {
    const Loop& loop = *of.loop();
    const auto& now = given.positional;
    const bool same =
        loop.asked_changed &&
        std::equal(now.begin(), now.end(), loop.last_changed.begin(), loop.last_changed.end(),
                   [&](const Value& a, const Value& b) { return equal(a, b, context.budget); });
    loop.asked_changed = true;
    // what holds the loop itself would never be freed
    for (const Value& value : now) {
      if (value.depth() > 0) throw Fault("loop.changed: Heed compares texts and numbers only");
    }
    loop.last_changed = now;
    return Value(!same);
  });
}

std::optional<Value> loop_attribute(const Value& of, std::string_view name) {
  const Loop& loop = *of.loop();
  const auto number = [](size_t value) { return Value(static_cast<int64_t>(value)); };
  if (name == "index") return number(loop.at + 1);
  if (name == "index0") return number(loop.at);
  if (name == "revindex") return number(loop.length() - loop.at);
  if (name == "revindex0") return number(loop.length() - loop.at - 1);
  if (name == "first") return Value(loop.at == 0);
  if (name == "last") return Value(!loop.has_next());
  if (name == "length") return number(loop.length());
  if (name == "depth") return number(1);
  if (name == "depth0") return number(0);
  if (name == "previtem") {
    return loop.at > 0 ? loop.items[loop.at - 1] : Value::undefined("there is no previous item");
  }
  if (name == "nextitem") {
    return loop.has_next() ? loop.items[loop.at + 1] : Value::undefined("there is no next item");
  }
  if (name == "changed") return loop_changed(of);
  if (name != "cycle") return std::nullopt;
  return method(of, name, [of](Context&, const Arguments& given) {
    if (given.positional.empty()) throw Fault("loop.cycle needs at least one value");
    return given.positional[of.loop()->at % given.positional.size()];
  });
}

}  // namespace

std::optional<Value> method_of(const Value& of, std::string_view name) {
  if (name.starts_with("__")) {
    const bool is_key = of.is_dict() && of.dict().find(name) != nullptr;
    return is_key ? std::nullopt : std::optional(unsafe(of, name));
  }
  if (of.is_text()) return text_method(of, name);
  if (of.is_dict()) return dict_method(of, name);
  if (of.is_sequence()) return list_method(of, name);
  if (of.loop() != nullptr) return loop_attribute(of, name);
  if (const Namespace* space = of.space()) {
    const Value* found = space->find(name);
    return found == nullptr ? std::nullopt : std::optional(*found);
  }
  if (of.callable() != nullptr && name == "name") return Value(of.callable()->name);
  return std::nullopt;
}

}  // namespace heed::jinja
