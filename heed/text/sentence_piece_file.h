#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace heed {

/// A .model file of the SentencePiece library: pieces, and how text is normalised before it is cut
/// into them. Names are those of its sentencepiece_model.proto.
struct SentencePieceFile {
  enum class Kind { unigram = 1, bpe = 2, word = 3, chars = 4 };
  enum class Type { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };
  struct Piece {
    std::string text;
    float score = 0;
    Type type = Type::normal;
  };

  Kind kind = Kind::unigram;
  std::vector<Piece> pieces;  // by id
  size_t unknown = 0;         // the id of the one of that type
  bool byte_fallback = false;
  std::string charsmap;  // empty: no rules
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool treat_whitespace_as_suffix = false;
};

/// Error corrupt_data naming `where` and what is wrong.
SentencePieceFile read_sentence_piece(std::string_view bytes, std::string_view where);

}  // namespace heed
