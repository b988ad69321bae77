#pragma once

#include <string_view>
#include <unordered_map>

#include "heed/text/jinja/context.h"
#include "heed/text/jinja/value.h"

namespace heed::jinja {

using Filter = Value (*)(Context& context, const Value& input, const Arguments& given);
using FilterTable = std::unordered_map<std::string_view, Filter>;
using Test = bool (*)(Context& context, const Value& input, const Arguments& given);

/// input|name(given...). Fault for a filter that there is not.
Value apply_filter(std::string_view name, Context& context, const Value& input,
                   const Arguments& given);
/// input is name(given...). Fault for a test that there is not.
bool apply_test(std::string_view name, Context& context, const Value& input,
                const Arguments& given);
bool is_filter(std::string_view name);
bool is_test(std::string_view name);

// The filters, by what they are about.
const FilterTable& text_filters();
const FilterTable& number_filters();
const FilterTable& sequence_filters();

/// range, dict, namespace, raise_exception, strftime_now.
std::shared_ptr<Scope> global_names();

}  // namespace heed::jinja
