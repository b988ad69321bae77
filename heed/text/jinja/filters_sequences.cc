// Filters over lists and dicts.

#include <fmt/format.h>

#include <algorithm>

#include "heed/text/jinja/arguments.h"
#include "heed/text/jinja/filters.h"
#include "heed/text/jinja/operators.h"
#include "heed/text/jinja/print.h"
#include "heed/text/jinja/text_ops.h"

namespace heed::jinja {
namespace {

using Values = std::vector<Value>;

Value iterator(Values values, Budget& budget) {
  return made(std::move(values), budget, Sequence::Kind::iterator);
}

/// "a.b.0" from a value: members of members. An empty path is the value itself.
class Getter {
 public:
  explicit Getter(const Value& path) {
    if (path.is_none()) return;
    if (!path.is_text()) {
      parts_.push_back(path);
      return;
    }
    for (std::string& part : split(path.text(), ".", -1, false)) {
      const bool number = all_characters(part, is_decimal) && part.size() < 18 && is_ascii(part);
      parts_.push_back(number ? Value(static_cast<int64_t>(std::stoll(part)))
                              : Value(std::move(part)));
    }
  }

  Value operator()(Value value, const Value& fallback, Budget& budget) const {
    for (const Value& part : parts_) {
      value = item_of(value, part, budget);
      if (value.is_undefined() && !fallback.is_none()) value = fallback;
    }
    return value;
  }
  Value operator()(const Value& value, Budget& budget) const {
    return (*this)(value, Value(), budget);
  }

 private:
  Values parts_;
};

Value without_case(const Value& value, bool case_sensitive, Budget& budget) {
  return value.is_text() && !case_sensitive ? made(lower(value.text()), budget) : value;
}

/// Stable, by keys beside the values.
void sort_by(std::vector<std::pair<Value, Value>>& keyed, bool reverse, Budget& budget) {
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return reverse ? less(b.first, a.first, budget) : less(a.first, b.first, budget);
  });
}

Values values_of(std::vector<std::pair<Value, Value>>& keyed) {
  Values out;
  for (auto& [key, value] : keyed) out.push_back(std::move(value));
  return out;
}

Value sort(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("sort", given, {"reverse", "case_sensitive", "attribute"});
  Budget& budget = context.budget;
  std::vector<Getter> getters;
  if (bound.value(2).is_text()) {
    for (std::string& path : split(bound.value(2).text(), ",", -1, false)) {
      getters.emplace_back(Value(std::move(path)));
    }
  } else {
    getters.emplace_back(bound.value(2));
  }
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& value : elements_of(input, budget)) {
    Values keys;
    for (const Getter& get : getters) {
      keys.push_back(without_case(get(value, budget), bound.truth(1, false), budget));
    }
    keyed.emplace_back(made(std::move(keys), budget), std::move(value));
  }
  sort_by(keyed, bound.truth(0, false), budget);
  return made(values_of(keyed), budget);
}

Value dictsort(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("dictsort", given, {"case_sensitive", "by", "reverse"});
  if (!input.is_dict()) throw Fault("dictsort needs a dict");
  const std::string by = bound.text(1, "key");
  if (by != "key" && by != "value") throw Fault("dictsort sorts by key or by value");
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, value] : input.dict().items()) {
    keyed.emplace_back(
        without_case(by == "key" ? key : value, bound.truth(0, false), context.budget),
        made({key, value}, context.budget, Sequence::Kind::tuple));
  }
  sort_by(keyed, bound.truth(2, false), context.budget);
  return made(values_of(keyed), context.budget);
}

Value unique(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("unique", given, {"case_sensitive", "attribute"});
  const Getter get(bound.value(1));
  Values keys;
  Values out;
  for (const Value& value : elements_of(input, context.budget)) {
    Value key = without_case(get(value, context.budget), bound.truth(0, false), context.budget);
    const bool known = std::any_of(keys.begin(), keys.end(), [&](const Value& other) {
      return equal(key, other, context.budget);
    });
    if (known) continue;
    keys.push_back(std::move(key));
    out.push_back(value);
  }
  return iterator(std::move(out), context.budget);
}

template <bool largest>
Value extreme(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("min and max", given, {"case_sensitive", "attribute"});
  const Getter get(bound.value(1));
  const Values values = elements_of(input, context.budget);
  if (values.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  const auto key_of = [&](const Value& value) {
    return without_case(get(value, context.budget), bound.truth(0, false), context.budget);
  };
  size_t best = 0;
  Value best_key = key_of(values[0]);
  for (size_t i = 1; i < values.size(); ++i) {
    Value key = key_of(values[i]);
    const bool better =
        largest ? less(best_key, key, context.budget) : less(key, best_key, context.budget);
    if (!better) continue;
    best = i;
    best_key = std::move(key);
  }
  return values[best];
}

Value groupby(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("groupby", given, {"attribute", "default", "case_sensitive"});
  Budget& budget = context.budget;
  const Getter get(bound.needed(0));
  const bool case_sensitive = bound.truth(2, false);
  const auto key_of = [&](const Value& value) {
    return without_case(get(value, bound.value(1), budget), case_sensitive, budget);
  };
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& value : elements_of(input, budget)) keyed.emplace_back(key_of(value), value);
  sort_by(keyed, false, budget);
  Values groups;
  for (size_t at = 0; at < keyed.size();) {
    Values members;
    size_t end = at;
    for (; end < keyed.size() && equal(keyed[end].first, keyed[at].first, budget); ++end) {
      members.push_back(keyed[end].second);
    }
    if (end == at) throw Fault("groupby: a key is not equal to itself");
    Value name = get(members[0], bound.value(1), budget);
    groups.push_back(
        made({std::move(name), made(std::move(members), budget)}, budget, Sequence::Kind::group));
    at = end;
  }
  return made(std::move(groups), budget);
}

Value join(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("join", given, {"d", "attribute"});
  const Getter get(bound.value(1));
  std::vector<std::string> parts;
  for (const Value& value : elements_of(input, context.budget)) {
    parts.push_back(to_text(get(value, context.budget), context.budget));
    context.budget.make(parts.back().size());
  }
  const std::string separator = bound.has(0) ? to_text(bound.value(0), context.budget) : "";
  return Value(joined(separator, parts, context.budget));
}

Value sum(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("sum", given, {"attribute", "start"});
  const Getter get(bound.value(0));
  Value total = bound.has(1) ? bound.value(1) : Value(int64_t{0});
  for (const Value& value : elements_of(input, context.budget)) {
    total = arithmetic("+", total, get(value, context.budget), context.budget);
  }
  return total;
}

Value first(Context& context, const Value& input, const Arguments& given) {
  expect_no_arguments("first", given);
  if (input.is_sequence(Sequence::Kind::iterator)) {
    const Sequence& sequence = input.sequence();
    if (sequence.taken < sequence.elements.size()) return sequence.elements[sequence.taken++];
  } else {
    const Values values = elements_of(input, context.budget);
    if (!values.empty()) return values.front();
  }
  return Value::undefined("No first item, sequence was empty.");
}

Value last(Context& context, const Value& input, const Arguments& given) {
  expect_no_arguments("last", given);
  if (input.is_sequence(Sequence::Kind::iterator)) {
    throw Fault("a generator has no last item; |list makes a list of it");
  }
  const Values values = elements_of(input, context.budget);
  return values.empty() ? Value::undefined("No last item, sequence was empty.") : values.back();
}

Value list(Context& context, const Value& input, const Arguments& given) {
  expect_no_arguments("list", given);
  return made(elements_of(input, context.budget), context.budget);
}

Value reverse(Context& context, const Value& input, const Arguments& given) {
  expect_no_arguments("reverse", given);
  if (input.is_text()) {
    return slice_of(input, Value(), Value(), Value(int64_t{-1}), context.budget);
  }
  Values values = elements_of(input, context.budget);
  std::reverse(values.begin(), values.end());
  return iterator(std::move(values), context.budget);
}

Value items(Context& context, const Value& input, const Arguments& given) {
  expect_no_arguments("items", given);
  if (!input.is_dict() && !input.is_undefined()) throw Fault("items needs a dict");
  Values out;
  if (input.is_dict()) {
    for (const auto& [key, value] : input.dict().items()) {
      out.push_back(made({key, value}, context.budget, Sequence::Kind::tuple));
    }
  }
  return iterator(std::move(out), context.budget);
}

Value batch(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("batch", given, {"linecount", "fill_with"});
  const int64_t size = bound.integer(0, 0);
  if (size < 1) throw Fault("batch needs a size of at least 1");
  Values rows;
  Values row;
  for (Value& value : elements_of(input, context.budget)) {
    if (static_cast<int64_t>(row.size()) == size) {
      rows.push_back(made(std::exchange(row, {}), context.budget));
    }
    row.push_back(std::move(value));
  }
  if (!row.empty()) {
    const auto missing = static_cast<size_t>(size) - row.size();
    if (!bound.value(1).is_none()) {
      context.budget.make(missing * sizeof(Value));
      row.insert(row.end(), missing, bound.value(1));
    }
    rows.push_back(made(std::move(row), context.budget));
  }
  return iterator(std::move(rows), context.budget);
}

Value slice(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("slice", given, {"slices", "fill_with"});
  const Values values = elements_of(input, context.budget);
  const int64_t slices = bound.integer(0, 0);
  if (slices < 1) throw Fault("slice needs at least 1 slice");
  context.budget.make(static_cast<size_t>(slices) * sizeof(Value));
  const auto size = static_cast<int64_t>(values.size());
  Values out;
  int64_t begin = 0;
  for (int64_t i = 0; i < slices; ++i) {
    const bool longer = i < size % slices;
    const int64_t end = begin + size / slices + static_cast<int64_t>(longer);
    Values part(values.begin() + begin, values.begin() + end);
    if (!bound.value(1).is_none() && !longer) part.push_back(bound.value(1));
    out.push_back(made(std::move(part), context.budget));
    begin = end;
  }
  return iterator(std::move(out), context.budget);
}

Value map(Context& context, const Value& input, const Arguments& given) {
  Values out;
  if (!input.truth()) return iterator(std::move(out), context.budget);
  if (given.positional.empty()) {
    const Bound bound("map", given, {"attribute", "default"});
    const Getter get(bound.needed(0));
    for (const Value& value : elements_of(input, context.budget)) {
      out.push_back(get(value, bound.value(1), context.budget));
    }
    return iterator(std::move(out), context.budget);
  }
  if (!given.positional[0].is_text()) throw Fault("map needs the name of a filter");
  Arguments rest = given;
  rest.positional.erase(rest.positional.begin());
  for (const Value& value : elements_of(input, context.budget)) {
    const Deeper deeper(context);  // map('map', 'map', ...)
    out.push_back(apply_filter(given.positional[0].text(), context, value, rest));
  }
  return iterator(std::move(out), context.budget);
}

/// select, reject, selectattr and rejectattr.
template <bool wanted, bool by_attribute>
Value selected(Context& context, const Value& input, const Arguments& given) {
  Values out;
  if (!input.truth()) return iterator(std::move(out), context.budget);
  constexpr size_t kTest = by_attribute ? 1 : 0;
  if (given.positional.size() < kTest) throw Fault("selectattr needs the name of an attribute");
  const Getter get(by_attribute ? given.positional[0] : Value());
  Arguments rest = given;
  const bool has_test = given.positional.size() > kTest;
  if (has_test && !given.positional[kTest].is_text())
    throw Fault("select needs the name of a test");
  rest.positional.erase(
      rest.positional.begin(),
      rest.positional.begin() + static_cast<std::ptrdiff_t>(kTest + static_cast<size_t>(has_test)));
  for (Value& value : elements_of(input, context.budget)) {
    const Value looked_at = get(value, context.budget);
    const bool holds = has_test
                           ? apply_test(given.positional[kTest].text(), context, looked_at, rest)
                           : looked_at.truth();
    if (holds == wanted) out.push_back(std::move(value));
  }
  return iterator(std::move(out), context.budget);
}

}  // namespace

const FilterTable& sequence_filters() {
  static const FilterTable kFilters = {
      {"batch", batch},
      {"dictsort", dictsort},
      {"first", first},
      {"groupby", groupby},
      {"items", items},
      {"join", join},
      {"last", last},
      {"list", list},
      {"map", map},
      {"max", extreme<true>},
      {"min", extreme<false>},
      {"reject", selected<false, false>},
      {"rejectattr", selected<false, true>},
      {"reverse", reverse},
      {"select", selected<true, false>},
      {"selectattr", selected<true, true>},
      {"slice", slice},
      {"sort", sort},
      {"sum", sum},
      {"unique", unique},
  };
  return kFilters;
}

}  // namespace heed::jinja
