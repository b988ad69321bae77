#include "heed/base/crc32c.h"

#include <array>
#include <cstring>

namespace heed {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78U;

using Table = std::array<std::array<uint32_t, 256>, 8>;

/// tables[k][b]: the remainder of byte b followed by k zero bytes, so that eight bytes are taken at
/// once (Kounavis and Berry, "Novel table lookup-based algorithms for high-performance CRC
/// generation", 2008).
constexpr Table make_tables() {
  Table tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1U) != 0 ? kPolynomial : 0U);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = before >> 8 ^ tables[0][before & 0xffU];
    }
  }
  return tables;
}

constexpr Table kTables = make_tables();

}  // namespace

uint32_t crc32c(std::span<const std::byte> bytes) {
  uint32_t crc = 0xffffffffU;
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, at, 8);
    word ^= crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][word >> (8 * k) & 0xffU];
  }
  for (; left > 0; --left, ++at) {
    crc = crc >> 8 ^ kTables[0][(crc ^ static_cast<uint32_t>(*at)) & 0xffU];
  }
  return ~crc;
}

uint32_t crc32c(std::string_view text) { return crc32c(std::as_bytes(std::span(text))); }

std::string crc_text(uint32_t crc) {
  std::string text;
  for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[crc >> shift & 15U];
  return text;
}

}  // namespace heed
