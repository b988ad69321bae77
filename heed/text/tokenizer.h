#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace heed {

/// Half-open range [start, end).
struct Span {
  int64_t start = 0;
  int64_t end = 0;
  bool operator==(const Span&) const = default;
};

/// A tokenised text (or pair of texts). All vectors have one entry a token.
struct Encoding {
  std::vector<int32_t> ids;
  std::vector<std::string> tokens;  // the vocabulary's pieces: "play", "##ing"
  std::vector<int32_t> type_ids;    // 0 for the first text, 1 for the second
  std::vector<Span> offsets;        // in characters (code points) of the text it comes from
  std::vector<Span> byte_offsets;   // the same in bytes of the UTF-8 text as given
  std::vector<int32_t>
      words;  // index of the word in its text as the pre-tokeniser cut it; -1 for special tokens
  std::vector<bool> special;  // added by the template ([CLS], [SEP])
  bool truncated = false;
};

struct EncodeOptions {
  bool add_special = true;
  /// Cut to this many tokens, special ones included (longest first for pairs). Absent: no limit.
  /// What tokenizer.json stores under truncation and padding is ignored.
  std::optional<int64_t> max_tokens;
};

struct WindowOptions {
  int64_t max_tokens = 512;  // of a window, special ones included
  int64_t stride = 0;        // tokens that a window shares with the one before it
};

/// Text to token ids and back, as the checkpoint's files say. Safe to use from many threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// From a folder (tokenizer.json, else vocab.txt, a SentencePiece model, or vocab.json and
  /// merges.txt, with tokenizer_config.json and config.json's model_type if there), from one of
  /// those files (target.spm for the other side of a Marian's) or from a GGUF file. Error not_found
  /// / corrupt_data / unsupported.
  static std::shared_ptr<const Tokenizer> load(const std::filesystem::path& file_or_folder);

  /// Invalid UTF-8 is replaced by U+FFFD, as Python's "replace" does; byte_offsets refer to the
  /// given bytes.
  virtual Encoding encode(std::string_view text, const EncodeOptions& options = {}) const = 0;
  virtual Encoding encode_pair(std::string_view first, std::string_view second,
                               const EncodeOptions& options = {}) const = 0;
  /// The whole text in windows, each with the special tokens around it; offsets are in the text.
  /// One window where it fits. Error invalid_argument for windows that have no room for more than
  /// the stride.
  virtual std::vector<Encoding> encode_windows(std::string_view text,
                                               const WindowOptions& options) const = 0;
  /// The same of the second text, with the whole first one in each window.
  virtual std::vector<Encoding> encode_pair_windows(std::string_view first, std::string_view second,
                                                    const WindowOptions& options) const = 0;
  /// Bytes that are no UTF-8 (half a character, say) become U+FFFD as in encode(). Ids from
  /// vocab_size() on, which a model has whose table was made longer, decode to nothing. Error
  /// invalid_argument for a negative one.
  std::string decode(std::span<const int32_t> ids, bool skip_special = true) const;
  /// The same with those bytes as they are. TextStream decodes tokens as they come.
  virtual std::string decode_bytes(std::span<const int32_t> ids,
                                   bool skip_special = true) const = 0;

  /// The text of pieces ("play", "##ing") as the decoder joins them; bytes as of decode().
  std::string join(std::span<const std::string> pieces) const;

  virtual int64_t vocab_size() const = 0;
  virtual std::optional<int32_t> id_of(std::string_view token) const = 0;
  /// Error invalid_argument for an id outside the vocabulary.
  virtual const std::string& token_of(int32_t id) const = 0;
  /// What padding uses ("[PAD]"), if the vocabulary has it.
  virtual std::optional<int32_t> pad_id() const = 0;
  /// "WordPiece", "BPE" and so on.
  virtual std::string_view kind() const = 0;

 protected:
  virtual std::string join_bytes(std::span<const std::string_view> pieces) const = 0;
};

/// Puts behind a text a token that no part of it stands for. Error as token_of().
void add_special(Encoding& encoding, int32_t id, const Tokenizer& tokenizer);

/// What stands for a word that a masked model fills in: "[MASK]" or "<mask>", if the vocabulary has
/// it.
std::optional<int32_t> mask_id(const Tokenizer& tokenizer);

}  // namespace heed
