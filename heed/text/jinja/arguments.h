#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "heed/text/jinja/value.h"

namespace heed::jinja {

/// The arguments of a filter, a test or a method by the names of its parameters.
class Bound {
 public:
  /// Fault for more arguments than parameters, for an unknown name and for one given twice.
  Bound(std::string_view callee, const Arguments& given,
        std::initializer_list<std::string_view> parameters);

  bool has(size_t parameter) const { return values_[parameter] != nullptr; }
  /// None where it is not given, or a Fault.
  const Value& value(size_t parameter) const;
  const Value& needed(size_t parameter) const;
  /// `fallback` where it is not given or None; Fault for another type.
  int64_t integer(size_t parameter, int64_t fallback) const;
  bool truth(size_t parameter, bool fallback) const;
  std::string text(size_t parameter, std::string_view fallback) const;

 private:
  [[noreturn]] void refuse(size_t parameter, std::string_view type) const;
  std::string callee_;
  std::vector<std::string_view> parameters_;
  std::vector<const Value*> values_;
};

/// Of what has no parameters. Faults as Bound's.
void expect_no_arguments(std::string_view callee, const Arguments& given);

}  // namespace heed::jinja
