#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "heed/text/tokenizer.h"

namespace heed {

struct ChunkOptions {
  int64_t tokens = 128;  // of a chunk at most, without special ones
  int64_t overlap = 32;  // of a chunk's end that begin the next one, at most
};

/// A part of a text, without white space around it.
struct Chunk {
  Span bytes;
  Span characters;
  int64_t line = 1;  // of its first character, from 1
  bool operator==(const Chunk&) const = default;
};

/// A text's chunks in order: as many sentences as have at most options.tokens together, the last
/// ones of a chunk again where the next begins. A sentence that is too long is cut between words, a
/// word (what stands between white space, of a text without it a part of it) that is too long
/// between tokens. No chunk for white space alone. Tokens are counted in parts of the text, so a
/// chunk may have a few more by itself where its tokenizer's merges cross words. Error
/// invalid_argument for less than one token or an overlap of more than half of them.
std::vector<Chunk> cut_chunks(const Tokenizer& tokenizer, std::string_view text,
                              const ChunkOptions& options);

}  // namespace heed
