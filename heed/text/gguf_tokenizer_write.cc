#include "heed/text/gguf_tokenizer_write.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/io/json.h"
#include "heed/text/chat_template_files.h"
#include "heed/text/gguf_tokenizer.h"
#include "heed/text/tokenizer.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

// tokenizer.ggml.token_type
constexpr int32_t kNormal = 1;
constexpr int32_t kControl = 3;
constexpr int32_t kUserDefined = 4;
constexpr int32_t kUnused = 5;
constexpr int32_t kByte = 6;

constexpr const char* kKeys = "tokenizer.ggml.";

/// "<0x0A>".
bool is_byte_piece(std::string_view piece) {
  return piece.size() == 6 && piece.starts_with("<0x") && piece.ends_with('>');
}

/// A step of a given type in a part of tokenizer.json, which may be a Sequence.
bool has_step(const Json& part, std::string_view type) {
  if (!part.is_object()) return false;
  if (part.value("type", "") == type) return true;
  for (const char* steps : {"normalizers", "pretokenizers", "decoders"}) {
    if (!part.contains(steps)) continue;
    for (const Json& step : part[steps]) {
      if (has_step(step, type)) return true;
    }
  }
  return false;
}

/// "a b", as both forms of a merge are in GGUF.
std::string merge_text(const Json& merge) {
  if (merge.is_string()) return merge.get<std::string>();
  return merge[0].get<std::string>() + " " + merge[1].get<std::string>();
}

/// One tokenizer.json, checked by Tokenizer::load before it is taken apart here.
class Writer {
 public:
  Writer(const fs::path& folder, int64_t vocab, GgufWriter& out)
      : folder_(folder),
        tokenizer_(Tokenizer::load(folder / "tokenizer.json")),
        document_(read_json(folder / "tokenizer.json")),
        vocab_(vocab),
        out_(out) {}

  void write() {
    const Json& model = document_["model"];  // where null is as if absent
    const Json type = model.value("type", Json());
    if (!(type.is_null() || type == "BPE") || !model.contains("merges")) {
      refuse("is no BPE, which is what Heed writes");
    }
    const bool byte_level = has_step(document_["pre_tokenizer"], "ByteLevel");
    const bool bytes = model.value("byte_fallback", Json()) == true;
    if (!byte_level && !bytes) refuse("is neither a byte-level BPE nor one with byte fallback");
    collect_tokens();
    text("model", byte_level ? "gpt2" : "llama");
    if (byte_level) {
      write_byte_level();
    } else {
      write_sentence_piece();
    }
    out_.add_texts(key("tokens"), tokens_);
    out_.add_i32s(key("token_type"), types_);
    write_special();
  }

 private:
  static std::string key(std::string_view name) { return kKeys + std::string(name); }
  void text(std::string_view name, std::string_view value) { out_.add_text(key(name), value); }
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorCode::unsupported,
                (folder_ / "tokenizer.json").string() + ": cannot be written as GGUF: it " + what);
  }

  void collect_tokens() {
    const int64_t known = tokenizer_->vocab_size();
    if (known > vocab_) {
      refuse(fmt::format("has {} tokens, but the model's embeddings have {}", known, vocab_));
    }
    for (int64_t id = 0; id < vocab_; ++id) {
      tokens_.push_back(id < known ? tokenizer_->token_of(static_cast<int32_t>(id))
                                   : fmt::format("[PAD{}]", id));
      types_.push_back(id < known ? kNormal : kUnused);
    }
    if (!document_.contains("added_tokens")) return;
    for (const Json& token : document_["added_tokens"]) {
      types_[token["id"].get<size_t>()] = token.value("special", false) ? kControl : kUserDefined;
    }
  }

  void write_byte_level() {
    const std::string pre = gguf_pre_name(document_["pre_tokenizer"].dump());
    if (pre.empty()) refuse("cuts words in a way that llama.cpp has no name for");
    text("pre", pre);
    std::vector<std::string> merges;
    for (const Json& merge : document_["model"]["merges"]) merges.push_back(merge_text(merge));
    out_.add_texts(key("merges"), merges);
    out_.add_boolean(key("add_space_prefix"), false);
  }

  /// Pieces that merge early score high, as SentencePiece has them; others never merge.
  void write_sentence_piece() {
    text("pre", "default");
    std::map<std::string, float> rank;
    float next = 0;
    for (const Json& merge : document_["model"]["merges"]) {
      std::string joined = merge_text(merge);
      joined.erase(joined.find(' ', 1), 1);
      if (rank.emplace(std::move(joined), next).second) next -= 1;
    }
    std::vector<float> scores;
    for (size_t id = 0; id < tokens_.size(); ++id) {
      const auto found = rank.find(tokens_[id]);
      scores.push_back(found != rank.end() ? found->second : types_[id] == kNormal ? next : 0);
      if (is_byte_piece(tokens_[id])) types_[id] = kByte;
    }
    out_.add_f32s(key("scores"), scores);
    out_.add_boolean(key("add_space_prefix"), has_step(document_["normalizer"], "Prepend"));
  }

  /// Ids as config.json and generation_config.json have them, and what encoding adds.
  void write_special() {
    Json config = Json::object();
    for (const char* file : {"config.json", "generation_config.json"}) {
      std::error_code error;
      if (fs::exists(folder_ / file, error)) config.update(read_json(folder_ / file));
    }
    const auto add_id = [&](const char* name, const Json& id) {
      if (!id.is_number_integer() || id < 0 || id >= vocab_) return;
      out_.add_u32(key(name), id.get<uint32_t>());
    };
    const Json begin = config.value("bos_token_id", Json());
    add_id("bos_token_id", begin);
    const Json end = config.value("eos_token_id", Json());
    add_id("eos_token_id", end.is_array() && !end.empty() ? end[0] : end);
    if (end.is_array() && end.size() > 1) add_id("eot_token_id", end[1]);
    if (end.is_array() && end.size() > 2) add_id("eom_token_id", end[2]);
    add_id("padding_token_id", config.value("pad_token_id", Json()));
    if (const Json unknown = document_["model"].value("unk_token", Json()); unknown.is_string()) {
      const auto id = tokenizer_->id_of(unknown.get<std::string>());
      if (id) add_id("unknown_token_id", *id);
    }
    const std::vector<int32_t> ids = tokenizer_->encode("a").ids;
    const std::vector<int32_t> plain = tokenizer_->encode("a", {.add_special = false}).ids;
    const bool more = !plain.empty() && ids.size() > plain.size();
    out_.add_boolean(key("add_bos_token"), more && ids.front() != plain.front());
    out_.add_boolean(key("add_eos_token"), more && ids.back() != plain.back());
    if (const std::string source = chat_templates_in(folder_).source; !source.empty()) {
      out_.add_text("tokenizer.chat_template", source);
    }
  }

  const fs::path& folder_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  Json document_;
  int64_t vocab_;
  GgufWriter& out_;
  std::vector<std::string> tokens_;
  std::vector<int32_t> types_;
};

}  // namespace

void add_gguf_tokenizer(const fs::path& folder, int64_t vocab, GgufWriter& writer) {
  Writer(folder, vocab, writer).write();
}

}  // namespace heed
