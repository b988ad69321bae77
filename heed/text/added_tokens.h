#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "heed/text/aligned_text.h"
#include "heed/text/normalizer.h"
#include "heed/text/vocabulary.h"

namespace heed {

/// A token found in the text before any word is cut.
struct AddedToken {
  int32_t id = -1;
  std::string content;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space on its left along
  bool rstrip = false;       // and on its right
  bool normalized = false;   // found, normalised itself, in the normalised text
  bool special = false;      // left out when decoding without special tokens
};

/// Finds many strings at once: at the leftmost place where any begins the longest one, then on from
/// its end.
class StringSet {
 public:
  void add(std::u32string_view text, int32_t value);  // the first value of equal texts stays
  bool empty() const { return nodes_.size() == 1; }

  struct Found {
    int32_t value = -1;  // -1: nothing begins here
    uint32_t length = 0;
  };
  Found longest_at(std::u32string_view text, size_t at) const;

 private:
  struct Node {
    int32_t value = -1;
    std::vector<std::pair<char32_t, uint32_t>> next;
  };
  const uint32_t* child(const Node& node, char32_t c) const;
  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::vector<bool> may_begin_ = std::vector<bool>(256);  // by a first character's low byte
};

/// The added tokens of a tokenizer.
class AddedTokens {
 public:
  AddedTokens() = default;
  /// Tokens that the model's vocabulary has must carry its id, others the ids that follow it in
  /// order. Error corrupt_data naming `where`, the token and the id needed; unsupported for one
  /// that normalises to nothing.
  AddedTokens(std::vector<AddedToken> tokens, const Vocabulary& vocabulary,
              const Normalizer* normalizer, std::string_view where);

  /// Cuts chars [begin, end) into sections, those with added_id >= 0 being tokens. `normalized`
  /// says which tokens to look for.
  void split(std::u32string_view chars, bool normalized, std::vector<Piece>& out) const;

  /// Of tokens beyond the model's vocabulary, in order of their ids.
  std::span<const std::string> extra() const { return extra_; }
  const AddedToken* of_id(int32_t id) const;
  /// The text that decoding starts from: normalised, for a token that is found so.
  const std::string& decoded_text(const AddedToken& token) const;

 private:
  std::vector<AddedToken> tokens_;
  std::vector<std::string> extra_;
  std::vector<std::string> decoded_;  // beside tokens_
  std::unordered_map<int32_t, size_t> by_id_;
  StringSet raw_set_;
  StringSet normalized_set_;
};

}  // namespace heed
