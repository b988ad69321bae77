#pragma once

#include <string>
#include <string_view>

namespace heed {

/// Bytes as text (RFC 4648, padded), for data inside SVG, HTML and JSON.
std::string base64(std::string_view bytes);

/// The bytes of such a text. Error corrupt_data naming `where` for any other text.
std::string from_base64(std::string_view text, std::string_view where);

}  // namespace heed
