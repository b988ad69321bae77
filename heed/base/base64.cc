#include "heed/base/base64.h"

#include <array>
#include <cstdint>

#include "heed/base/error.h"

namespace heed {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::array<uint8_t, 256> values_of_digits() {
  constexpr uint8_t kNone = 64;
  std::array<uint8_t, 256> values{};
  values.fill(kNone);
  for (size_t i = 0; i < kDigits.size(); ++i) {
    values[static_cast<unsigned char>(kDigits[i])] = static_cast<uint8_t>(i);
  }
  return values;
}

}  // namespace

std::string base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  const auto at = [&](size_t i) {
    return i < bytes.size() ? static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])) : 0;
  };
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const uint32_t group = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    out += kDigits[group >> 18];
    out += kDigits[group >> 12 & 63];
    out += i + 1 < bytes.size() ? kDigits[group >> 6 & 63] : '=';
    out += i + 2 < bytes.size() ? kDigits[group & 63] : '=';
  }
  return out;
}

std::string from_base64(std::string_view text, std::string_view where) {
  const std::array<uint8_t, 256> values = values_of_digits();
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  bool valid = text.size() % 4 == 0;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (size_t i = 0; valid && i < text.size(); i += 4) {
    uint32_t group = 0;
    for (size_t j = i; j < i + 4; ++j) {
      const bool pad = j >= text.size() - padding;
      const uint32_t value = pad ? 0 : values[static_cast<unsigned char>(text[j])];
      valid = valid && value < 64;
      group = group << 6 | value;
    }
    for (const int shift : {16, 8, 0}) out += static_cast<char>(group >> shift & 0xFF);
  }
  if (!valid) {
    throw Error(ErrorCode::corrupt_data, std::string(where) + ": needed base64 text, found other");
  }
  out.resize(out.size() - padding);
  return out;
}

}  // namespace heed
