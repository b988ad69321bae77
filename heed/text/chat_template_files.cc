// Where checkpoints keep their chat templates.

#include "heed/text/chat_template_files.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/paths.h"
#include "heed/io/gguf.h"
#include "heed/io/json.h"
#include "heed/text/chat_template.h"
#include "heed/text/unicode.h"

namespace heed {
namespace fs = std::filesystem;

namespace {

/// What transformers hands to templates of what tokenizer_config.json says.
OrderedJson special_tokens_of(const OrderedJson& config) {
  constexpr std::array<const char*, 7> kTokens = {
      "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
  OrderedJson out = OrderedJson::object();
  for (const char* name : kTokens) {
    if (!config.contains(name)) continue;
    const OrderedJson& token = config[name];
    if (token.is_string()) out[name] = token;
    if (token.is_object() && token.contains("content") && token["content"].is_string()) {
      out[name] = token["content"];
    }
  }
  return out;
}

/// A document of the folder; an empty object if there is none.
OrderedJson document(const fs::path& path) {
  if (!is_there(path)) return OrderedJson::object();
  OrderedJson out = parse_ordered_json(read_file(path), path.string());
  if (out.is_object()) return out;
  throw Error(ErrorCode::corrupt_data, fmt::format("{}: needed an object", path.string()));
}

/// The text of a template in tokenizer_config.json: one, or a list of {"name", "template"}. "" if
/// there is none of that name.
std::string text_of(const OrderedJson& found, std::string_view name, const std::string& where) {
  if (found.is_string()) return name == "default" ? found.get<std::string>() : std::string();
  const auto is_text = [](const OrderedJson& item, const char* key) {
    return item.is_object() && item.contains(key) && item[key].is_string();
  };
  for (const OrderedJson& item : found) {
    if (!is_text(item, "name") || !is_text(item, "template")) {
      throw Error(
          ErrorCode::corrupt_data,
          fmt::format("{}: chat_template: needed a text, or a list of name and template", where));
    }
    if (item["name"] == std::string(name)) return item["template"].get<std::string>();
  }
  return {};
}

/// The same tokens of a GGUF file, which has their ids.
OrderedJson special_tokens_of(const Gguf& file) {
  constexpr std::array<std::pair<const char*, const char*>, 4> kTokens = {
      {{"bos_token", "tokenizer.ggml.bos_token_id"},
       {"eos_token", "tokenizer.ggml.eos_token_id"},
       {"unk_token", "tokenizer.ggml.unknown_token_id"},
       {"pad_token", "tokenizer.ggml.padding_token_id"}}};
  OrderedJson out = OrderedJson::object();
  const auto pieces = file.texts("tokenizer.ggml.tokens");
  for (const auto& [name, key] : kTokens) {
    const auto id = file.integer(key);
    if (!id || !pieces || *id < 0 || *id >= static_cast<int64_t>(pieces->size())) continue;
    const std::string_view piece = (*pieces)[static_cast<size_t>(*id)];
    if (is_valid_utf8(piece)) out[name] = std::string(piece);
  }
  return out;
}

}  // namespace

TemplateTexts chat_templates_in(const fs::path& folder) {
  if (const fs::path file = folder / "chat_template.jinja"; is_there(file)) {
    return {read_file(file), "", file.string()};
  }
  for (const char* name : {"tokenizer_config.json", "chat_template.json"}) {
    const std::string where = (folder / name).string();
    const OrderedJson found = document(folder / name).value("chat_template", OrderedJson());
    if (found.is_null()) continue;
    return {text_of(found, "default", where), text_of(found, "tool_use", where),
            where + ": chat_template"};
  }
  return {};
}

std::optional<ChatTemplate> ChatTemplate::in_gguf(const fs::path& path) {
  const Gguf file = Gguf::open(path);
  const auto source = file.text("tokenizer.chat_template");
  if (!source) return std::nullopt;
  const std::string variables = special_tokens_of(file).dump();
  const std::string where = path.string() + ": tokenizer.chat_template";
  ChatTemplate out(std::string(*source), variables, where);
  if (const auto tool_use = file.text("tokenizer.chat_template.tool_use")) {
    out.tool_parts_ = ChatTemplate(std::string(*tool_use), variables, where + ".tool_use").parts_;
  }
  return out;
}

std::optional<ChatTemplate> ChatTemplate::in_folder(const fs::path& folder) {
  OrderedJson tokens = special_tokens_of(document(folder / "special_tokens_map.json"));
  tokens.update(special_tokens_of(document(folder / "tokenizer_config.json")));
  const std::string variables = tokens.dump();
  const TemplateTexts texts = chat_templates_in(folder);
  if (texts.source.empty()) return std::nullopt;
  ChatTemplate out(texts.source, variables, texts.where);
  if (!texts.tool_use.empty()) {
    out.tool_parts_ = ChatTemplate(texts.tool_use, variables, texts.where + " tool_use").parts_;
  }
  return out;
}

std::optional<ChatTemplate> ChatTemplate::find(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return in_folder(path);
  if (is_gguf(path)) return in_gguf(path);
  if (ending_of(path) == ".jinja") return ChatTemplate(read_file(path), "", path.string());
  return in_folder(path.parent_path());
}

ChatTemplate ChatTemplate::load(const fs::path& path) {
  if (auto found = find(path)) return *std::move(found);
  throw Error(ErrorCode::not_found,
              fmt::format("{}: needed a chat template (chat_template.jinja, or in "
                          "tokenizer_config.json or the file's metadata), found none; a base model "
                          "has none: generate takes its prompt as it is",
                          path.string()));
}

}  // namespace heed
