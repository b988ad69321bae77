#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/error.h"
#include "heed/io/json.h"

namespace heed {

/// A value of a JSON file that knows where it stands, so that every error names the place:
/// "tokenizer.json: model.vocab: needed an object, found a list".
class JsonField {
 public:
  JsonField(const Json& value, std::string path) : value_(&value), path_(std::move(path)) {}

  /// The member, which must be there.
  JsonField operator[](std::string_view key) const;
  /// Whether the member is there and not null.
  bool has(std::string_view key) const;

  std::string string() const;
  bool boolean() const;
  /// In [0, 2^31).
  int32_t index() const;
  std::vector<JsonField> items() const;  // of a list
  const Json& object() const;
  const Json& list() const;
  std::string type() const { return (*this)["type"].string(); }
  bool is_string() const { return value_->is_string(); }
  bool is_list() const { return value_->is_array(); }
  bool is_null() const { return value_->is_null(); }
  const std::string& path() const { return path_; }

  [[noreturn]] void fail(std::string_view needed) const;  // corrupt_data, with what was found
  [[noreturn]] void unsupported(std::string_view what, std::string_view known) const;

 private:
  const Json* value_;
  std::string path_;
};

}  // namespace heed
