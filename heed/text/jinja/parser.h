#pragma once

#include <string_view>

#include "heed/text/jinja/lexer.h"
#include "heed/text/jinja/nodes.h"

namespace heed::jinja {

/// A template's statements. Throws SyntaxFault.
Block parse(std::string_view source);

}  // namespace heed::jinja
