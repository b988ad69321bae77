#include "heed/text/jinja/arguments.h"

#include <fmt/format.h>

#include <algorithm>

namespace heed::jinja {

Bound::Bound(std::string_view callee, const Arguments& given,
             std::initializer_list<std::string_view> parameters)
    : callee_(callee), parameters_(parameters), values_(parameters.size()) {
  if (given.positional.size() > values_.size()) {
    throw Fault(fmt::format("{} takes at most {} arguments, found {}", callee, values_.size(),
                            given.positional.size()));
  }
  for (size_t i = 0; i < given.positional.size(); ++i) values_[i] = &given.positional[i];
  for (const auto& [name, value] : given.named) {
    const auto at = std::find(parameters_.begin(), parameters_.end(), name);
    if (at == parameters_.end()) {
      throw Fault(fmt::format("{} takes no argument named '{}'", callee, name));
    }
    const Value*& place = values_[static_cast<size_t>(at - parameters_.begin())];
    if (place != nullptr) throw Fault(fmt::format("{} got '{}' twice", callee, name));
    place = &value;
  }
}

const Value& Bound::value(size_t parameter) const {
  static const Value kNone;
  return values_[parameter] == nullptr ? kNone : *values_[parameter];
}

const Value& Bound::needed(size_t parameter) const {
  if (values_[parameter] != nullptr) return *values_[parameter];
  throw Fault(fmt::format("{} needs its argument '{}'", callee_, parameters_[parameter]));
}

void Bound::refuse(size_t parameter, std::string_view type) const {
  const Value& found = *values_[parameter];
  if (found.is_undefined()) throw Fault(found.why_undefined());
  throw Fault(fmt::format("{}: '{}' must be {}, found a value of type {}", callee_,
                          parameters_[parameter], type, found.type_name()));
}

int64_t Bound::integer(size_t parameter, int64_t fallback) const {
  if (value(parameter).is_none()) return fallback;
  if (!value(parameter).is_integer()) refuse(parameter, "an integer");
  return value(parameter).integer();
}

bool Bound::truth(size_t parameter, bool fallback) const {
  return has(parameter) ? value(parameter).truth() : fallback;
}

std::string Bound::text(size_t parameter, std::string_view fallback) const {
  if (value(parameter).is_none()) return std::string(fallback);
  if (!value(parameter).is_text()) refuse(parameter, "a text");
  return value(parameter).text();
}

void expect_no_arguments(std::string_view callee, const Arguments& given) {
  const Bound none(callee, given, {});
}

}  // namespace heed::jinja
