#pragma once

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace heed {
namespace jinja {
class Value;
}

/// One turn of a conversation.
struct ChatMessage {
  std::string role;  // "system", "user", "assistant", "tool", or what else the template knows
  std::string content;
  /// Further members as the text of a JSON object, {"tool_calls": [...]}; role and content named
  /// here replace those above. "" for none.
  std::string more = {};
};

struct ChatOptions {
  /// Ends with what makes the model answer: the head of an assistant's turn.
  bool add_generation_prompt = false;
  /// What the model may call, as the text of a JSON list of schemas; "" for no tools.
  std::string tools = {};
  /// What it may read, as the text of a JSON list of {"title", "text"}; "" for none.
  std::string documents = {};
  /// Further variables of the template as the text of a JSON object: {"enable_thinking": false}.
  std::string variables = {};
  /// The time that the template may ask for; absent: now.
  std::optional<std::time_t> now = {};
  /// Bounds of what a template, which is a program, may do: small operations, and bytes of texts
  /// and lists made on the way, the result among them.
  int64_t max_steps = 10'000'000;
  int64_t max_bytes = int64_t{1} << 30;
};

/// A checkpoint's chat template: Jinja that turns a conversation into the text that the model was
/// trained to continue, equal to transformers' apply_chat_template. docs/templates.md says what of
/// Jinja is there. Immutable: safe from many threads.
class ChatTemplate {
 public:
  /// `variables` as in ChatOptions, which come before: {"bos_token": "<s>"}. `where` names the
  /// template in errors. Error corrupt_data with the line of what is no Jinja.
  explicit ChatTemplate(std::string source, std::string variables = {},
                        std::string where = "chat template");

  /// The template of a checkpoint with its special tokens as variables: a folder with
  /// chat_template.jinja, or tokenizer_config.json that has one; a .gguf file; or a .jinja file.
  /// Absent if the checkpoint has none. Error corrupt_data, and not_found for a path that is not
  /// there.
  static std::optional<ChatTemplate> find(const std::filesystem::path& path);
  /// The same; Error not_found for a checkpoint without one.
  static ChatTemplate load(const std::filesystem::path& path);

  /// Error invalid_argument, naming the line, when the template refuses the conversation or does
  /// not find in it what it needs; unsupported when it goes beyond the bounds.
  std::string render(std::span<const ChatMessage> messages, const ChatOptions& options = {}) const;
  /// The same for the text of a JSON list of messages.
  std::string render_json(std::string_view messages, const ChatOptions& options = {}) const;

  const std::string& source() const;

 private:
  struct Parts;
  static std::optional<ChatTemplate> in_folder(const std::filesystem::path& folder);
  static std::optional<ChatTemplate> in_gguf(const std::filesystem::path& path);
  std::string run(const std::function<jinja::Value()>& messages, const ChatOptions& options) const;
  std::shared_ptr<const Parts> parts_;
  std::shared_ptr<const Parts> tool_parts_;  // of the template for conversations with tools, if any
};

}  // namespace heed
