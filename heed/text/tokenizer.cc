#include "heed/text/tokenizer.h"

#include <fmt/format.h>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/paths.h"
#include "heed/io/adapter.h"
#include "heed/text/gguf_tokenizer.h"
#include "heed/text/json_fields.h"
#include "heed/text/pipeline.h"
#include "heed/text/sentence_piece.h"
#include "heed/text/unicode.h"

namespace heed {
namespace fs = std::filesystem;

namespace {

/// A file's content; empty if there is none.
std::string content_of(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(file, ignored) ? read_file(file) : std::string();
}

TokenizerSettings settings_of(const fs::path& folder) {
  return {.config = content_of(folder / "tokenizer_config.json"),
          .special_tokens_map = content_of(folder / "special_tokens_map.json"),
          .added_tokens = content_of(folder / "added_tokens.json")};
}

std::string model_type_of(const fs::path& folder) {
  const fs::path file = folder / "config.json";
  const std::string content = content_of(file);
  if (content.empty()) return {};
  const Json config = parse_json(content, file.string());
  const JsonField json(config, file.string() + ":");
  return json.has("model_type") ? json["model_type"].string() : std::string();
}

std::shared_ptr<const Tokenizer> load_sentence_piece(const fs::path& model) {
  const fs::path folder = model.parent_path();
  return tokenizer_from_sentence_piece({.model = read_file(model),
                                        .settings = settings_of(folder),
                                        .model_type = model_type_of(folder),
                                        .vocab = content_of(folder / "vocab.json")},
                                       model.string());
}

std::shared_ptr<const Tokenizer> load_vocab_txt(const fs::path& vocab) {
  return tokenizer_from_vocab(read_file(vocab), settings_of(vocab.parent_path()), vocab.string());
}

std::shared_ptr<const Tokenizer> load_vocab_json(const fs::path& folder) {
  return tokenizer_from_merges({.vocab = read_file(folder / "vocab.json"),
                                .merges = read_file(folder / "merges.txt"),
                                .settings = settings_of(folder)},
                               folder.string());
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::load(const fs::path& path) {
  if (is_gguf(path)) {
    return gguf_tokenizer(Gguf::open(path));
  }
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    if (path.filename() == "vocab.json" || path.filename() == "merges.txt") {
      return load_vocab_json(path.parent_path());
    }
    const std::string ending = ending_of(path);
    if (ending == ".model" || ending == ".spm") {
      return load_sentence_piece(path);
    }
    if (ending == ".txt") return load_vocab_txt(path);
    return tokenizer_from_json(read_file(path), path.string());
  }
  if (const fs::path json = path / "tokenizer.json"; fs::exists(json, ignored)) return load(json);
  if (const fs::path vocab = path / "vocab.txt"; fs::exists(vocab, ignored)) return load(vocab);
  if (const fs::path model = sentence_piece_model_in(path); !model.empty()) return load(model);
  if (fs::exists(path / "vocab.json", ignored)) return load_vocab_json(path);
  if (is_adapter(path)) return load(adapter_base(path));
  throw Error(ErrorCode::not_found,
              fmt::format("tokenizer of {}: needed tokenizer.json, vocab.txt, a SentencePiece "
                          "model, or vocab.json with merges.txt, found none of them",
                          path.string()));
}

namespace {

std::string valid_text(std::string bytes) {
  return is_valid_utf8(bytes) ? bytes : to_utf8(decode_utf8(bytes).chars);
}

}  // namespace

void add_special(Encoding& encoding, int32_t id, const Tokenizer& tokenizer) {
  const auto end_of = [](const std::vector<Span>& all) {
    const int64_t end = all.empty() ? 0 : all.back().end;
    return Span{end, end};
  };
  encoding.ids.push_back(id);
  encoding.tokens.push_back(tokenizer.token_of(id));
  encoding.type_ids.push_back(0);
  encoding.offsets.push_back(end_of(encoding.offsets));
  encoding.byte_offsets.push_back(end_of(encoding.byte_offsets));
  encoding.words.push_back(-1);
  encoding.special.push_back(true);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  return valid_text(decode_bytes(ids, skip_special));
}

std::string Tokenizer::join(std::span<const std::string> pieces) const {
  return valid_text(join_bytes(std::vector<std::string_view>(pieces.begin(), pieces.end())));
}

std::optional<int32_t> mask_id(const Tokenizer& tokenizer) {
  for (const char* name : {"[MASK]", "<mask>"}) {
    if (const auto id = tokenizer.id_of(name)) return id;
  }
  return std::nullopt;
}

}  // namespace heed
