#include "heed/text/tokenizer.h"

#include <fmt/format.h>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/io/adapter.h"
#include "heed/text/gguf_tokenizer.h"
#include "heed/text/pipeline.h"
#include "heed/text/unicode.h"

namespace heed {
namespace fs = std::filesystem;

namespace {

/// tokenizer_config.json of the folder; empty if there is none.
std::string config_of(const fs::path& folder) {
  const fs::path config = folder / "tokenizer_config.json";
  std::error_code ignored;
  return fs::exists(config, ignored) ? read_file(config) : std::string();
}

std::shared_ptr<const Tokenizer> load_vocab_txt(const fs::path& vocab) {
  return tokenizer_from_vocab(read_file(vocab), config_of(vocab.parent_path()), vocab.string());
}

std::shared_ptr<const Tokenizer> load_vocab_json(const fs::path& folder) {
  return tokenizer_from_merges({.vocab = read_file(folder / "vocab.json"),
                                .merges = read_file(folder / "merges.txt"),
                                .config = config_of(folder)},
                               folder.string());
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::load(const fs::path& path) {
  if (is_gguf(path)) {
    return tokenizer_from_json(gguf_tokenizer_json(Gguf::open(path)), path.string());
  }
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    if (path.filename() == "vocab.json" || path.filename() == "merges.txt") {
      return load_vocab_json(path.parent_path());
    }
    if (path.extension() == ".txt") return load_vocab_txt(path);
    return tokenizer_from_json(read_file(path), path.string());
  }
  if (const fs::path json = path / "tokenizer.json"; fs::exists(json, ignored)) return load(json);
  if (const fs::path vocab = path / "vocab.txt"; fs::exists(vocab, ignored)) return load(vocab);
  if (fs::exists(path / "vocab.json", ignored)) return load_vocab_json(path);
  if (is_adapter(path)) return load(adapter_base(path));
  throw Error(ErrorCode::not_found,
              fmt::format("tokenizer of {}: needed tokenizer.json, vocab.txt, or vocab.json with "
                          "merges.txt, found none of them",
                          path.string()));
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string bytes = decode_bytes(ids, skip_special);
  return is_valid_utf8(bytes) ? bytes : to_utf8(decode_utf8(bytes).chars);
}

}  // namespace heed
