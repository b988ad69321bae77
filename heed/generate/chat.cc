#include "heed/generate/chat.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/io/json.h"

namespace heed {
namespace {

constexpr std::string_view kSystem = "system", kUser = "user", kAssistant = "assistant";

bool begins_with_system(const std::vector<ChatMessage>& messages) {
  return !messages.empty() && messages.front().role == kSystem;
}

/// Takes out the oldest turn: a user's message and what follows up to the next one. Whether there
/// was one beside the last.
bool forget_oldest(std::vector<ChatMessage>& messages) {
  const auto first = messages.begin() + (begins_with_system(messages) ? 1 : 0);
  const auto is_user = [](const ChatMessage& one) { return one.role == kUser; };
  if (first == messages.end()) return false;
  const auto next = std::find_if(first + 1, messages.end(), is_user);
  if (next == messages.end()) return false;
  messages.erase(first, next);
  return true;
}

/// A stepper that notes what is read, and what the first call did not have to read.
class Noting : public Stepper {
 public:
  Noting(CachedStepper& stepper, std::vector<int32_t>& ids, int64_t& reused)
      : stepper_(stepper), ids_(ids), reused_(reused) {}
  Tensor next(const std::vector<std::vector<int32_t>>& rows,
              std::span<const int64_t> parents) override {
    Tensor logits = stepper_.next(rows, parents);
    ids_ = rows.front();
    if (parents.empty()) reused_ = stepper_.reused_tokens();
    return logits;
  }
  int64_t max_tokens() const override { return stepper_.max_tokens(); }

 private:
  CachedStepper& stepper_;
  std::vector<int32_t>& ids_;
  int64_t& reused_;
};

}  // namespace

Chat::Chat(TextGenerator generator, ChatTemplate chat_template, WhenFull when_full,
           const KvCacheOptions& cache)
    : generator_(std::move(generator)),
      template_(std::move(chat_template)),
      when_full_(when_full),
      stepper_(generator_.stepper(
          {.cache = cache,
           .at_end = when_full == WhenFull::slide ? ContextEnd::slide : ContextEnd::stop})) {
  generator_.tokenizer();  // says now that there is none
}

void Chat::set_system(std::string content) {
  if (begins_with_system(messages_)) messages_.erase(messages_.begin());
  if (content.empty()) return;
  messages_.insert(messages_.begin(), {std::string(kSystem), std::move(content)});
}

void Chat::reset() { messages_.resize(begins_with_system(messages_) ? 1 : 0); }

Generated Chat::answer(std::string_view message, const GenerateOptions& options) {
  std::vector<ChatMessage> messages = messages_;
  messages.push_back({std::string(kUser), std::string(message)});
  forgotten_ = 0;
  std::vector<std::vector<int32_t>> prompts;
  prompts.push_back(fitting_prompt(messages, options.max_new_tokens));
  last_ids_ = prompts.front();
  last_prompt_tokens_ = std::ssize(last_ids_);
  Noting stepper(*stepper_, last_ids_, reused_tokens_);
  Generated answer = std::move(generator_.batch(stepper, std::move(prompts), options).front());
  last_ids_ = answer.prompt_ids;
  last_ids_.insert(last_ids_.end(), answer.ids.begin(), answer.ids.end());
  if (answer.ids.empty()) return answer;
  messages_ = std::move(messages);
  messages_.push_back({std::string(kAssistant), answer.text});
  return answer;
}

std::vector<int32_t> Chat::window() const {
  if (when_full_ != WhenFull::slide) return last_ids_;
  return sliding_window(last_ids_, generator_.model().facts().max_tokens,
                        CachedStepperOptions().sinks);
}

std::vector<int32_t> Chat::prompt(const std::vector<ChatMessage>& messages) const {
  const std::string text = template_.render(messages, {.add_generation_prompt = true});
  return generator_.tokenizer()->encode(text, {.add_special = false}).ids;
}

std::vector<int32_t> Chat::fitting_prompt(std::vector<ChatMessage>& messages,
                                          int64_t max_new_tokens) {
  const int64_t positions = stepper_->max_tokens();
  // a long answer may be cut, but not for a quarter of what there is
  const int64_t answer = std::min(max_new_tokens, std::max<int64_t>(1, positions / 4));
  while (true) {
    std::vector<int32_t> ids = prompt(messages);
    if (std::ssize(ids) + answer <= positions) return ids;
    const auto before = std::ssize(messages);
    if (when_full_ == WhenFull::forget && forget_oldest(messages)) {
      forgotten_ += before - std::ssize(messages);
      continue;
    }
    throw Error(ErrorCode::invalid_argument,
                fmt::format("chat: the conversation has {} tokens, which leave no room for an "
                            "answer of {} in the model's {} positions; {}",
                            ids.size(), answer, positions,
                            when_full_ == WhenFull::stop ? "begin anew, or let it forget"
                                                         : "shorten the message"));
  }
}

void save_messages(const std::filesystem::path& file, const std::vector<ChatMessage>& messages) {
  std::string lines;
  for (const ChatMessage& message : messages) {
    nlohmann::ordered_json one{{"role", message.role}, {"content", message.content}};
    if (!message.more.empty()) {
      const Json more = parse_json(message.more, "a message");
      for (const auto& [name, value] : more.items()) one[name] = value;
    }
    lines += one.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  write_file(file, lines);
}

std::vector<ChatMessage> load_messages(const std::filesystem::path& file) {
  return parse_messages(read_file(file), file.string());
}

std::vector<ChatMessage> parse_messages(std::string_view content, const std::string& where) {
  std::vector<ChatMessage> messages;
  for (int64_t number = 1; !content.empty(); ++number) {
    const std::string_view line = content.substr(0, content.find('\n'));
    content.remove_prefix(std::min(content.size(), line.size() + 1));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string place = fmt::format("{}:{}", where, number);
    Json object = parse_json(line, place);
    const auto take = [&](const char* name) {
      if (!object.is_object() || !object.contains(name) || !object[name].is_string()) {
        throw Error(ErrorCode::corrupt_data,
                    fmt::format("{}: needed a message, {{\"role\": ..., \"content\": ...}} with "
                                "texts, found no text {}",
                                place, name));
      }
      auto text = object[name].get<std::string>();
      object.erase(name);
      return text;
    };
    ChatMessage message{take("role"), take("content")};
    if (!object.empty()) message.more = object.dump();
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace heed
