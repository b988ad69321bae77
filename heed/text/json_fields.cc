#include "heed/text/json_fields.h"

#include <fmt/format.h>

#include <limits>

#include "heed/base/message.h"

namespace heed {
namespace {

std::string describe(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_string()) return in_quotes(value.get_ref<const std::string&>());
  if (value.is_object()) return "an object";
  if (value.is_array()) return fmt::format("a list of {}", value.size());
  return value.dump();  // a number or boolean
}

}  // namespace

void JsonField::fail(std::string_view needed) const {
  throw Error(ErrorCode::corrupt_data,
              fmt::format("{}{} needed {}, found {}", path_, path_.ends_with(':') ? "" : ":",
                          needed, describe(*value_)));
}

void JsonField::unsupported(std::string_view what, std::string_view known) const {
  throw Error(ErrorCode::unsupported, fmt::format("{}: {} {} is not supported; Heed knows {}",
                                                  path_, what, in_quotes(type()), known));
}

JsonField JsonField::operator[](std::string_view key) const {
  const auto member = object().find(key);
  if (member == value_->end()) fail(fmt::format("the member \"{}\"", key));
  return {*member, fmt::format("{}{}{}", path_, path_.ends_with(':') ? " " : ".", key)};
}

bool JsonField::has(std::string_view key) const {
  const auto member = object().find(key);
  return member != value_->end() && !member->is_null();
}

const Json& JsonField::object() const {
  if (!value_->is_object()) fail("an object");
  return *value_;
}

std::string JsonField::string() const {
  if (!value_->is_string()) fail("a string");
  return value_->get<std::string>();
}

bool JsonField::boolean() const {
  if (!value_->is_boolean()) fail("true or false");
  return value_->get<bool>();
}

int32_t JsonField::index() const {
  constexpr auto kMost = std::numeric_limits<int32_t>::max();
  if (!value_->is_number_unsigned() || value_->get<uint64_t>() > kMost) {
    fail("a whole number from 0 to 2147483647");
  }
  return static_cast<int32_t>(value_->get<uint64_t>());
}

const Json& JsonField::list() const {
  if (!value_->is_array()) fail("a list");
  return *value_;
}

std::vector<JsonField> JsonField::items() const {
  list();
  std::vector<JsonField> out;
  out.reserve(value_->size());
  for (size_t i = 0; i < value_->size(); ++i) {
    out.emplace_back((*value_)[i], fmt::format("{}[{}]", path_, i));
  }
  return out;
}

}  // namespace heed
