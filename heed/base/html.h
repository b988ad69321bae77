#pragma once

#include <string>
#include <string_view>

namespace heed {

/// The text as HTML and XML take it, in elements and in quoted attributes: & < > " and ' become
/// references, with the numbers that Python's markupsafe gives to quotes.
std::string html_escaped(std::string_view text);

}  // namespace heed
