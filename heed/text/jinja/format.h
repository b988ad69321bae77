#pragma once

#include <string>

#include "heed/text/jinja/value.h"

namespace heed::jinja {

/// pattern % values: Python's printf-style formatting with %s %r %d %i %x %X %o %e %f %g %%.
/// `values` is a tuple, a dict (for %(name)s) or one value.
std::string format_percent(const std::string& pattern, const Value& values, Budget& budget);

/// pattern.format(...): {} {0} {name} with !r, !s and a format such as :>8.3f. Attributes and
/// elements of arguments ({0.x}, {0[x]}) are refused.
std::string format_braces(const std::string& pattern, const Arguments& arguments, Budget& budget);

}  // namespace heed::jinja
