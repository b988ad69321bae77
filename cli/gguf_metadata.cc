#include "cli/gguf_metadata.h"

#include <fmt/format.h>

#include <cstring>

#include "heed/base/message.h"

namespace heed::cli {
namespace {

using Type = Gguf::Type;

constexpr int64_t kShownItems = 16;

bool is_long(const Gguf::Value& value) { return value.count > kShownItems; }

OutJson list_json(const Gguf& file, const std::string& key, const Gguf::Value& value) {
  if (is_long(value)) return {{"list", describe(value)}, {"count", value.count}};
  switch (value.element) {
    case Type::string:
      return *file.texts(key);
    case Type::boolean:
      return *file.booleans(key);
    case Type::f32:
    case Type::f64:
    case Type::u64:
      return *file.numbers(key);
    default:
      return *file.integers(key);
  }
}

OutJson value_json(const Gguf& file, const std::string& key, const Gguf::Value& value) {
  switch (value.type) {
    case Type::array:
      return list_json(file, key, value);
    case Type::string:
      return *file.text(key);
    case Type::boolean:
      return *file.boolean(key);
    case Type::f32:
    case Type::f64:
      return *file.number(key);
    case Type::u64: {
      uint64_t number = 0;
      std::memcpy(&number, value.bytes.data(), sizeof(number));
      return number;
    }
    default:
      return *file.integer(key);
  }
}

}  // namespace

std::string grouped(int64_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<size_t>(at), ",");
  }
  return text;
}

OutJson gguf_metadata_json(const Gguf& file) {
  OutJson out = OutJson::object();
  for (const auto& [key, value] : file.metadata()) out[key] = value_json(file, key, value);
  return out;
}

std::string gguf_metadata_text(const Gguf& file) {
  constexpr size_t kMostBytes = 60;
  std::string out;
  for (const auto& [key, value] : file.metadata()) {
    std::string text;
    if (value.type == Type::array && is_long(value)) {
      text = fmt::format("{}, {}", describe(value), grouped(value.count));
    } else {
      const OutJson shown = value_json(file, key, value);
      text = printable(shown.is_string() ? shown.get<std::string>() : to_line(shown));
    }
    if (text.size() > kMostBytes) text = text.substr(0, kMostBytes) + "...";
    out += fmt::format("{:<40}  {}\n", printable(key), text);
  }
  return out;
}

}  // namespace heed::cli
