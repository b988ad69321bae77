#include "heed/generate/chat.h"

#include <gtest/gtest.h>

#include "heed/base/cancel.h"
#include "tests/expect_error.h"
#include "tests/letter_models.h"

namespace heed {
namespace {

using testing::LetterModel;
using testing::TemporaryFolder;

// roles by a letter: s system, u user, a assistant
constexpr const char* kTemplate =
    "{% for m in messages %}{{ m['role'][0] }}{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}a{% endif %}";

Chat make_chat(WhenFull when_full = WhenFull::forget) {
  const LetterModel model("gpt2_2x5");  // 24 positions
  return {TextGenerator::load(model.path()), ChatTemplate(kTemplate), when_full};
}

std::string prompt_text(const Chat& chat) {
  const auto& ids = chat.last_ids();
  return chat.generator().tokenizer()->decode(
      std::span(ids).first(static_cast<size_t>(chat.last_prompt_tokens())));
}

GenerateOptions choices(int64_t most) {
  return {.max_new_tokens = most, .rules = {.suppress_tokens = {22}}};
}

TEST(Chat, MessagesGrowAndWhatWasReadIsNotReadAgain) {
  Chat chat = make_chat();
  chat.set_system("hi");
  const Generated first = chat.answer("bcd", choices(3));
  EXPECT_EQ(prompt_text(chat), "shiubcda");
  EXPECT_EQ(chat.reused_tokens(), 0);
  const Generated second = chat.answer("e", choices(3));
  EXPECT_EQ(prompt_text(chat), "shiubcda" + first.text + "uea");
  EXPECT_GE(chat.reused_tokens(), 8 + 2);
  ASSERT_EQ(chat.messages().size(), 5U);
  EXPECT_EQ(chat.messages()[4].role, "assistant");
  EXPECT_EQ(chat.messages()[4].content, second.text);
  // the same as without a cache that remembers
  Chat anew = make_chat();
  anew.set_messages({chat.messages().begin(), chat.messages().begin() + 3});
  EXPECT_EQ(anew.answer("e", choices(3)).ids, second.ids);
  chat.reset();
  EXPECT_EQ(chat.messages().size(), 1U);
  chat.set_system("");
  EXPECT_TRUE(chat.messages().empty());
}

TEST(Chat, ForgetsTheOldestTurnsOrStops) {
  Chat chat = make_chat();
  chat.set_system("k");
  chat.answer("bbbbb", choices(3));
  chat.answer("ccccc", choices(3));
  EXPECT_EQ(chat.forgotten(), 0);
  chat.answer("ddddd", choices(3));
  EXPECT_EQ(chat.forgotten(), 2);
  EXPECT_TRUE(prompt_text(chat).starts_with("skuccccca")) << prompt_text(chat);
  EXPECT_EQ(chat.messages().size(), 5U);
  expect_error(ErrorCode::invalid_argument, {"no room", "24 positions", "shorten"},
               [&] { chat.answer(std::string(23, 'e'), choices(3)); });
  EXPECT_EQ(chat.messages().size(), 5U) << "as before";
  Chat strict = make_chat(WhenFull::stop);
  strict.answer("bbbbb", choices(3));
  strict.answer("ccccc", choices(3));
  expect_error(ErrorCode::invalid_argument, {"no room", "begin anew"},
               [&] { strict.answer("ddddd", choices(3)); });
  Chat sliding = make_chat(WhenFull::slide);
  for (const char* message : {"bbbbb", "ccccc", "ddddd"}) sliding.answer(message, choices(9));
  EXPECT_EQ(sliding.messages().size(), 6U);
}

TEST(Chat, AStoppedAnswerIsKeptAsFarAsItGoes) {
  Chat chat = make_chat();
  GenerateOptions options = choices(9);
  options.on_text = [](int64_t, std::string_view) { request_cancel(); };
  const Generated answer = chat.answer("b", options);
  clear_cancel();
  EXPECT_EQ(answer.finish, Finish::interrupted);
  ASSERT_EQ(chat.messages().size(), 2U);
  EXPECT_EQ(chat.messages()[1].content, answer.text);
  request_cancel();
  chat.answer("c", choices(9));
  clear_cancel();
  EXPECT_EQ(chat.messages().size(), 2U) << "without a token neither message is kept";
}

TEST(Chat, ConversationsAreSavedWholeAndReadBack) {
  const TemporaryFolder folder;
  const std::vector<ChatMessage> messages = {{"system", "Be \"short\"."},
                                             {"user", "a\nb\tü"},
                                             {"assistant", "", R"({"tool_calls":[{"name":"f"}]})"}};
  save_messages(folder / "chat.jsonl", messages);
  const auto back = load_messages(folder / "chat.jsonl");
  ASSERT_EQ(back.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(back[i].role, messages[i].role);
    EXPECT_EQ(back[i].content, messages[i].content);
    EXPECT_EQ(back[i].more, messages[i].more);
  }
  constexpr auto kCorrupt = ErrorCode::corrupt_data;
  expect_error(kCorrupt, {"f:2", "no text content"}, [] {
    parse_messages("{\"role\":\"user\",\"content\":\"a\"}\n{\"role\":\"user\"}", "f");
  });
  expect_error(kCorrupt, {"f:1", "no text role"}, [] { parse_messages("[1]", "f"); });
  expect_error(kCorrupt, {"f:1"}, [] { parse_messages("{", "f"); });
  expect_error(ErrorCode::not_found, {"nowhere"}, [] { load_messages("nowhere.jsonl"); });
  expect_error(ErrorCode::io_failure, {"/dev/full"}, [&] { save_messages("/dev/full", messages); });
}

}  // namespace
}  // namespace heed
