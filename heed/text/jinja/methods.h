#pragma once

#include <optional>
#include <string_view>

#include "heed/text/jinja/value.h"

namespace heed::jinja {

/// What Python's getattr(of, name) gives: a method, a member of a namespace, what `loop` knows. A
/// method that would change the value, and a name with underscores, is undefined: templates are
/// not trusted. Absent if there is no such attribute.
std::optional<Value> method_of(const Value& of, std::string_view name);
/// Methods of texts.
std::optional<Value> text_method(const Value& of, std::string_view name);

}  // namespace heed::jinja
