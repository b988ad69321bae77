#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "heed/text/normalizer.h"
#include "heed/text/sentence_piece_file.h"
#include "heed/text/tokenizer_config.h"

namespace heed {

/// How a class of tokenizer arranges the pieces of a SentencePiece model.
struct SentencePieceLayout {
  std::vector<std::string> pieces;  // the vocabulary, by id
  std::vector<int32_t> ids;         // of the model's pieces; -1: the class does not use it
  int32_t unknown = 0;
  std::vector<std::string> special;  // those that may stand in texts; the vocabulary has each
  std::string pad;
  std::string mask;                // takes the space before it along
  std::vector<std::string> first;  // around a text
  std::vector<std::string> last;
  std::vector<std::string> between;   // two texts; as last unless separate
  bool joined = false;                // nothing stands between two texts
  bool finds_unknown = false;         // where the vocabulary has what the model does not know
  bool second_type = false;           // a second text's type id is 1
  std::vector<NormalizerPtr> before;  // the model's own normaliser
  double comma_penalty = 0;           // of pieces of a digit and a comma
};

/// Error unsupported for a class that Heed does not know.
SentencePieceLayout sentence_piece_layout(const SentencePieceFile& file,
                                          const TokenizerConfig& config,
                                          std::string_view model_type, std::string_view vocab_json,
                                          std::string_view where);

}  // namespace heed
