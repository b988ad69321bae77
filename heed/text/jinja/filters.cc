#include "heed/text/jinja/filters.h"

#include <fmt/format.h>

namespace heed::jinja {
namespace {

Filter find_filter(std::string_view name) {
  for (const FilterTable* table : {&text_filters(), &number_filters(), &sequence_filters()}) {
    if (const auto found = table->find(name); found != table->end()) return found->second;
  }
  return nullptr;
}

}  // namespace

Value apply_filter(std::string_view name, Context& context, const Value& input,
                   const Arguments& given) {
  const Filter filter = find_filter(name);
  if (filter == nullptr) throw Fault(fmt::format("Heed knows no filter '{}'", name));
  return filter(context, input, given);
}

bool is_filter(std::string_view name) { return find_filter(name) != nullptr; }

}  // namespace heed::jinja
