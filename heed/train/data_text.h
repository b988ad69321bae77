#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "heed/tensor/tensor.h"
#include "heed/text/tokenizer.h"
#include "heed/train/lost_text.h"

namespace heed {

/// A text file's content without a byte order mark. Error corrupt_data names line and byte of what
/// is no UTF-8.
std::string read_text(const std::filesystem::path& path);

/// Whether a file is of token ids by its ending, .npy or .bin; else it is text.
bool holds_ids(const std::filesystem::path& path);

/// The token ids of a text one after another. Copies and parts share the numbers.
class TokenStream {
 public:
  TokenStream() = default;
  /// ids [N] u16 or i32.
  explicit TokenStream(Tensor ids);

  /// The ids of a text without special tokens. Long texts are cut behind ends of lines, where no
  /// tokenizer's pattern joins what stands on both sides, and encoded on all threads; one that puts
  /// a blank before a text puts it before each part. lost: what no token stands for.
  static TokenStream from_text(std::string_view text, const Tokenizer& tokenizer,
                               LostText* lost = nullptr);
  /// A file: .npy holds ids (one dimension of uint16 or int32), .bin ids as nanoGPT writes them
  /// (uint16, mapped, not read); anything else is text in UTF-8 for the tokenizer, with a warning
  /// if there are characters that it has no piece for. Error
  /// invalid_argument names an id outside a vocabulary of `vocab`; corrupt_data for a file without
  /// tokens or with bytes that are not UTF-8.
  static TokenStream read(const std::filesystem::path& path, const Tokenizer* tokenizer,
                          int64_t vocab);

  int64_t size() const { return ids_ ? ids_.numel() : 0; }
  /// Ids [begin, begin + count) to `out`.
  void copy(int64_t begin, int64_t count, int32_t* out) const;
  TokenStream part(int64_t begin, int64_t end) const;
  /// Error invalid_argument names `where`, the place and the id, if one is outside [0, vocab).
  void check_vocabulary(int64_t vocab, const std::string& where) const;

 private:
  Tensor ids_;
};

/// The first `share` of the tokens, and the rest, as nanoGPT splits: 0.9 for training. Error
/// invalid_argument if one side would be empty.
struct TextSplit {
  TokenStream train;
  TokenStream valid;
};
TextSplit split_text(const TokenStream& tokens, double share, const std::string& where);

/// Rows of tokens, and what follows each token.
struct TextBatch {
  Tensor ids;          // [B, T] i32
  Tensor targets;      // [B, T] i32; kNoTarget where there is none
  int64_t tokens = 0;  // targets there are
};

/// Error invalid_argument, which begins with `where`, if there is no place for rows of `block`
/// tokens and the one that follows.
void check_windows(const TokenStream& tokens, int64_t block, const std::string& where);
/// B rows of `block` tokens from places that (seed, batch number) alone decide, as nanoGPT draws
/// them: each place from which block + 1 tokens can be had is equally likely. Error as
/// check_windows().
TextBatch random_windows(const TokenStream& tokens, int64_t rows, int64_t block, uint64_t seed,
                         int64_t number);

/// The text cut into rows of `block` tokens that lie one behind another, so that every token but
/// the first is a target once; the last row may be shorter (filled with kNoTarget).
int64_t windows_in_order(const TokenStream& tokens, int64_t block);  // how many there are
TextBatch windows_in_order(const TokenStream& tokens, int64_t first, int64_t rows, int64_t block);

}  // namespace heed
