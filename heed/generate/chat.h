#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "heed/generate/generator.h"
#include "heed/text/chat_template.h"

namespace heed {

/// What a chat does when its messages leave no room for an answer in the model's positions.
enum class WhenFull {
  forget,  // leaves out the oldest messages, not the system's, as if they had not been
  stop,    // Error invalid_argument
  slide,   // leaves out the oldest tokens but the first few (ContextEnd::slide)
};

/// A conversation with a model. What it has read of earlier turns is not read again. One thread at
/// a time.
class Chat {
 public:
  /// Error unsupported without tokenizer files.
  Chat(TextGenerator generator, ChatTemplate chat_template, WhenFull when_full = WhenFull::forget,
       const KvCacheOptions& cache = {});

  const TextGenerator& generator() const { return generator_; }
  const std::vector<ChatMessage>& messages() const { return messages_; }
  void set_messages(std::vector<ChatMessage> messages) { messages_ = std::move(messages); }
  /// The first message, of the role "system", in place of one that is there; none for "".
  void set_system(std::string content);
  /// All messages but the system's go.
  void reset();

  /// The model's answer to a message, both of which then are messages. An answer that was stopped
  /// (Finish::interrupted) is kept as far as it goes; without a token, neither is kept. After an
  /// Error messages are as before. Errors as TextGenerator::batch() and ChatTemplate::render();
  /// invalid_argument for a conversation that leaves no room.
  Generated answer(std::string_view message, const GenerateOptions& options);
  /// The last answer's prompt and the answer: what a look at it reads.
  const std::vector<int32_t>& last_ids() const { return last_ids_; }
  /// What of them the model read last: all, or what a sliding window left. While an answer is
  /// written, up to its last token.
  std::vector<int32_t> window() const;
  /// Who watches the model from now on (null: nobody), as CachedStepper::watch().
  void watch(Observer* observer) { stepper_->watch(observer); }
  /// How many of them are the prompt's.
  int64_t last_prompt_tokens() const { return last_prompt_tokens_; }
  /// Tokens of the last answer's prompt that had been read before.
  int64_t reused_tokens() const { return reused_tokens_; }
  /// Messages that the last answer's prompt left out.
  int64_t forgotten() const { return forgotten_; }

 private:
  std::vector<int32_t> prompt(const std::vector<ChatMessage>& messages) const;
  std::vector<int32_t> fitting_prompt(std::vector<ChatMessage>& messages, int64_t max_new_tokens);

  TextGenerator generator_;
  ChatTemplate template_;
  WhenFull when_full_;
  std::unique_ptr<CachedStepper> stepper_;
  std::vector<ChatMessage> messages_;
  int64_t forgotten_ = 0;
  std::vector<int32_t> last_ids_;
  int64_t last_prompt_tokens_ = 0;
  int64_t reused_tokens_ = 0;
};

/// A JSON object a line, {"role": ..., "content": ...} and what else the message has; written whole
/// or not at all. Error io_failure.
void save_messages(const std::filesystem::path& file, const std::vector<ChatMessage>& messages);
/// The same back. Error corrupt_data with the line that is no message; not_found.
std::vector<ChatMessage> load_messages(const std::filesystem::path& file);
std::vector<ChatMessage> parse_messages(std::string_view content, const std::string& where);

}  // namespace heed
