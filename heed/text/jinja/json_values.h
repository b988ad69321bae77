#pragma once

#include "heed/io/json.h"
#include "heed/text/jinja/value.h"

namespace heed::jinja {

/// JSON as a template sees it. Error unsupported for an integer beyond 64 bits, which would not be
/// printed as it was.
Value value_of(const OrderedJson& json);

}  // namespace heed::jinja
