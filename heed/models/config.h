#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/io/json_fwd.h"

namespace heed {

/// The fields of a JSON object, read with their types and ranges checked. A field that is null
/// counts as absent. Errors (corrupt_data) read "FILE: hidden_size must be an integer from 1 to
/// 65536 but is "384"". Internal: not installed.
class ConfigReader {
 public:
  /// Error corrupt_data if the document is not an object.
  ConfigReader(Json document, std::string where);
  static ConfigReader open(const std::filesystem::path& path);

  bool has(const char* field) const;
  /// Without a fallback an absent field is an Error.
  int64_t integer(const char* field, int64_t lowest, int64_t highest,
                  std::optional<int64_t> fallback = {}) const;
  double number(const char* field, double lowest, double highest,
                std::optional<double> fallback = {}) const;
  std::string text(const char* field, std::optional<std::string> fallback = {}) const;
  bool boolean(const char* field, std::optional<bool> fallback = {}) const;
  /// A token's id: none where the field is null, the fallback where it is absent.
  std::optional<int32_t> id(const char* field, std::optional<int32_t> fallback = {}) const;
  /// pad_token_id as nn.Embedding's padding_idx: the row of words that learns as an output alone.
  /// -1: none, where the field is null. One below 0 counts from the vocabulary's end, as there: the
  /// first Llamas' -1 is the last row.
  int32_t padding(int32_t fallback, int64_t vocab) const;
  /// One id or a list of them; none if the field is absent.
  std::vector<int32_t> ids(const char* field) const;
  const Json& json() const { return *document_; }
  const std::string& where() const { return where_; }

  /// Error corrupt_data for a field, said the same way.
  [[noreturn]] void refuse(const char* field, std::string_view needed) const;

 private:
  std::shared_ptr<const Json> document_;
  std::string where_;
};

}  // namespace heed
