#include "heed/text/tokenizer.h"

#include <fmt/format.h>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/text/pipeline.h"

namespace heed {
namespace fs = std::filesystem;

namespace {

std::shared_ptr<const Tokenizer> load_vocab_txt(const fs::path& vocab) {
  const fs::path config = vocab.parent_path() / "tokenizer_config.json";
  std::error_code ignored;
  const std::string config_text = fs::exists(config, ignored) ? read_file(config) : std::string();
  return tokenizer_from_vocab(read_file(vocab), config_text, vocab.string());
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::load(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    if (path.extension() == ".txt") return load_vocab_txt(path);
    return tokenizer_from_json(read_file(path), path.string());
  }
  if (const fs::path json = path / "tokenizer.json"; fs::exists(json, ignored)) return load(json);
  if (const fs::path vocab = path / "vocab.txt"; fs::exists(vocab, ignored)) return load(vocab);
  throw Error(ErrorCode::not_found,
              fmt::format("tokenizer of {}: needed tokenizer.json or vocab.txt, found neither",
                          path.string()));
}

}  // namespace heed
