#include "heed/text/sentence_piece_file.h"

#include <fmt/format.h>

#include <bit>
#include <cstdint>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/text/decoder.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

/// The fields of a message in the wire format of Protocol Buffers, one after the other.
class Message {
 public:
  Message(std::string_view bytes, std::string_view where) : rest_(bytes), where_(where) {}

  /// Goes on to the next field; false at the message's end.
  bool next() {
    if (rest_.empty()) return false;
    const uint64_t tag = varint();
    number_ = tag >> 3;
    kind_ = tag & 7;
    switch (kind_) {
      case kVarint:
        value_ = varint();
        break;
      case kEightBytes:
        take(8);
        break;
      case kBytes: {
        const uint64_t size = varint();
        bytes_ = take(size);
        break;
      }
      case kFourBytes:
        bytes_ = take(4);
        break;
      default:
        fail(fmt::format("a field of wire type {}", kind_));
    }
    return true;
  }

  uint64_t number() const { return number_; }
  bool flag() const { return whole() != 0; }
  uint64_t whole() const {
    if (kind_ != kVarint) fail(fmt::format("field {} with wire type {}", number_, kind_));
    return value_;
  }
  std::string_view bytes() const {
    if (kind_ != kBytes) fail(fmt::format("field {} with wire type {}", number_, kind_));
    return bytes_;
  }
  float real() const {
    if (kind_ != kFourBytes) fail(fmt::format("field {} with wire type {}", number_, kind_));
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; ++i) {
      bits |= uint32_t{static_cast<uint8_t>(bytes_[i])} << (8 * i);
    }
    return std::bit_cast<float>(bits);
  }
  Message message() const { return {bytes(), where_}; }

  [[noreturn]] void fail(const std::string& found) const {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{}: needed a SentencePiece model, found {}", where_, found));
  }

 private:
  enum : uint64_t { kVarint = 0, kEightBytes = 1, kBytes = 2, kFourBytes = 5 };

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1).front());
      value |= uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    fail("a number of more than 64 bits");
  }

  std::string_view take(uint64_t count) {
    if (count > rest_.size()) {
      fail(fmt::format("a field of {} bytes where {} are left", count, rest_.size()));
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string_view rest_;
  std::string_view where_;
  uint64_t number_ = 0;
  uint64_t kind_ = 0;
  uint64_t value_ = 0;
  std::string_view bytes_;
};

using Type = SentencePieceFile::Type;

SentencePieceFile::Piece read_piece(Message message) {
  SentencePieceFile::Piece piece;
  while (message.next()) {
    if (message.number() == 1) {
      piece.text = message.bytes();
    } else if (message.number() == 2) {
      piece.score = message.real();
    } else if (message.number() == 3) {
      const uint64_t type = message.whole();
      if (type < 1 || type > 6) message.fail(fmt::format("a piece of type {}", type));
      piece.type = static_cast<Type>(type);
    }
  }
  return piece;
}

void read_trainer_spec(Message message, SentencePieceFile& file) {
  while (message.next()) {
    if (message.number() == 3) {
      const uint64_t kind = message.whole();
      if (kind < 1 || kind > 4) message.fail(fmt::format("a model of type {}", kind));
      file.kind = static_cast<SentencePieceFile::Kind>(kind);
    } else if (message.number() == 24) {
      file.treat_whitespace_as_suffix = message.flag();
    } else if (message.number() == 35) {
      file.byte_fallback = message.flag();
    }
  }
}

void read_normalizer_spec(Message message, SentencePieceFile& file) {
  while (message.next()) {
    if (message.number() == 2) {
      file.charsmap = message.bytes();
    } else if (message.number() == 3) {
      file.add_dummy_prefix = message.flag();
    } else if (message.number() == 4) {
      file.remove_extra_whitespaces = message.flag();
    } else if (message.number() == 5) {
      file.escape_whitespaces = message.flag();
    }
  }
}

/// What the library asks of pieces, but that each is there once, which the vocabulary asks.
void check_pieces(SentencePieceFile& file, const Message& message) {
  size_t unknown = 0;
  size_t bytes = 0;
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    const auto& piece = file.pieces[id];
    if (piece.text.empty() || !is_valid_utf8(piece.text)) {
      message.fail(fmt::format("a piece of id {} that is {}", id,
                               piece.text.empty() ? "empty" : "not UTF-8"));
    }
    if (piece.score != piece.score) message.fail(fmt::format("no score of the piece {}", id));
    if (piece.type == Type::byte) {
      if (byte_of_piece(piece.text) < 0) message.fail("a byte " + in_quotes(piece.text));
      ++bytes;
    }
    if (piece.type != Type::unknown) continue;
    file.unknown = id;
    ++unknown;
  }
  if (unknown != 1) message.fail(fmt::format("{} pieces for the unknown, not 1", unknown));
  if (bytes != (file.byte_fallback ? 256 : 0)) {
    message.fail(fmt::format("{} pieces for bytes {} byte_fallback", bytes,
                             file.byte_fallback ? "with" : "without"));
  }
}

}  // namespace

SentencePieceFile read_sentence_piece(std::string_view bytes, std::string_view where) {
  SentencePieceFile file;
  Message message(bytes, where);
  while (message.next()) {
    if (message.number() == 1) {
      file.pieces.push_back(read_piece(message.message()));
    } else if (message.number() == 2) {
      read_trainer_spec(message.message(), file);
    } else if (message.number() == 3) {
      read_normalizer_spec(message.message(), file);
    }
  }
  check_pieces(file, message);
  return file;
}

}  // namespace heed
