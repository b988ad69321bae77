#pragma once

#include <string_view>

#include "heed/text/jinja/context.h"
#include "heed/text/jinja/value.h"

namespace heed::jinja {

/// a + b, a - b, a * b, a / b, a // b, a % b, a ** b as Python computes them. Fault for types that
/// have no such operation and for integers beyond 64 bits.
Value arithmetic(std::string_view sign, const Value& a, const Value& b, Budget& budget);
Value negative(const Value& value);
/// needle in hay.
bool contains(const Value& hay, const Value& needle, Budget& budget);
/// "==", "!=", "<", "<=", ">", ">=", "in", "not in".
bool compare(std::string_view sign, const Value& a, const Value& b, Budget& budget);

/// of.name: a method before a member of a dict. Undefined if there is none, Fault of undefined.
Value attribute_of(const Value& of, std::string_view name);
/// of[key]: a member or an element before a method.
Value item_of(const Value& of, const Value& key, Budget& budget);
/// of[start:stop:step]; absent ends as in Python.
Value slice_of(const Value& of, const Value& start, const Value& stop, const Value& step,
               Budget& budget);

/// Where [start:stop] of a sequence of `size` lies.
std::pair<int64_t, int64_t> bounds_of(int64_t size, int64_t start, int64_t stop);

}  // namespace heed::jinja
