#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "heed/io/json.h"
#include "heed/text/vocabulary.h"

namespace heed {

/// A JSON object of ids by piece, which has too many members to be kept: give members() to
/// parse_json, then take the vocabulary.
class VocabIds {
 public:
  /// `path` names the object in errors.
  explicit VocabIds(std::string path) : path_(std::move(path)) {}

  /// To be given to parse_json with the keys that lead to the object; refers to this.
  LargeObject members(std::vector<std::string> keys);
  /// Once. Error corrupt_data unless the ids are 0, 1, ... each once.
  std::unique_ptr<const Vocabulary> vocabulary();

 private:
  std::string path_;
  std::vector<std::pair<std::string, int32_t>> ids_;  // in the order of the file
};

}  // namespace heed
