#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace heed {

/// CRC-32C (Castagnoli, reflected, as iSCSI, RFC 3720): finds every damage of up to 32 bits in a
/// row, and any other but one in 4 billion. About 2 GB/s.
uint32_t crc32c(std::span<const std::byte> bytes);
uint32_t crc32c(std::string_view text);

/// Eight hexadecimal digits.
std::string crc_text(uint32_t crc);

}  // namespace heed
