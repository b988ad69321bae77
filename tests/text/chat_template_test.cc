#include "heed/text/chat_template.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/io/json.h"
#include "tests/support.h"

namespace heed {
namespace {

std::string render(const std::string& source, const std::vector<ChatMessage>& messages = {},
                   const ChatOptions& options = {}) {
  return ChatTemplate(source).render(messages, options);
}

/// The message of the Error that rendering throws.
std::string refusal(const std::string& source, ErrorCode code, const ChatOptions& options = {}) {
  try {
    render(source, {{"user", "hi"}}, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "rendered: " << source;
  return {};
}

TEST(ChatTemplate, EveryConstructRendersAsTransformersRendersIt) {
  const OrderedJson golden = parse_ordered_json(
      read_file(testing::golden_folder() / "chat_templates.json"), "chat_templates.json");
  const std::string messages = golden["messages"].dump();
  const ChatOptions options{.add_generation_prompt = true, .variables = golden["variables"].dump()};
  for (const OrderedJson& test : golden["cases"]) {
    const std::string source = test["template"];
    SCOPED_TRACE(source);
    try {
      const std::string text = ChatTemplate(source).render_json(messages, options);
      if (test["text"].is_null()) {
        ADD_FAILURE() << "rendered what transformers refuses: " << text;
      } else {
        EXPECT_EQ(text, test["text"].get<std::string>());
      }
    } catch (const Error& error) {
      EXPECT_TRUE(test["text"].is_null()) << error.what();
      EXPECT_NE(std::string(error.what()).find("line "), std::string::npos) << error.what();
    }
  }
}

TEST(ChatTemplate, MessagesHaveRoleContentAndWhateverElseTheyAreGiven) {
  const std::vector<ChatMessage> messages = {
      {"user", "a\xff"},
      {"assistant", "", R"({"tool_calls": [{"z": 1, "a": 2}], "content": null})"}};
  EXPECT_EQ(render("{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}"
                   "{{ messages[1].tool_calls|tojson }}{{ tools }}{{ add_generation_prompt }}",
                   messages, {.tools = R"([{"name": "f"}])"}),
            "user:a\uFFFD;assistant:None;[{\"z\": 1, \"a\": 2}][{'name': 'f'}]False");
}

TEST(ChatTemplate, WhatAModelThoughtGoesByEveryNameThatTemplatesRead) {
  const std::vector<ChatMessage> messages = {{"assistant", "yes", R"({"reasoning": "so"})"}};
  EXPECT_EQ(render("{{ messages[0]|tojson }}", messages),
            R"({"thinking": "so", "role": "assistant", "content": "yes", "reasoning": "so", )"
            R"("reasoning_content": "so"})");
}

TEST(ChatTemplate, TheTimeIsTheOneGiven) {
  EXPECT_EQ(render("{{ strftime_now('%Y') }}", {}, {.now = 86400 * 400}), "1971");
}

TEST(ChatTemplate, ErrorsNameTheLineAndWhatWasFound) {
  const auto syntax = [](const std::string& source) {
    return refusal(source, ErrorCode::corrupt_data);
  };
  EXPECT_EQ(syntax("a\n{% if x %}\nb"),
            "chat template: line 3: needed {% elif %} or {% else %} or {% endif %}, found the end "
            "of the template");
  EXPECT_EQ(syntax("{{ 1 +\n }}"), "chat template: line 2: needed an expression, found '}}'");
  const std::string unknown = syntax("{% include 'x' %}");
  EXPECT_NE(unknown.find("line 1: needed a tag that Heed knows (if, for, set"), std::string::npos);
  EXPECT_NE(unknown.find("found 'include'"), std::string::npos);
  const auto run = [](const std::string& source) {
    return refusal(source, ErrorCode::invalid_argument);
  };
  EXPECT_EQ(run("\n\n{{ raise_exception('roles must alternate') }}"),
            "chat template: line 3: the template refuses: roles must alternate");
  EXPECT_EQ(run("{{ x.y }}"), "chat template: line 1: 'x' is undefined");
  EXPECT_EQ(run("\n{{ messages[0].nope.y }}"),
            "chat template: line 2: 'dict object' has no attribute 'nope'");
  EXPECT_EQ(run("{{ messages.append(1) }}"),
            "chat template: line 1: access to attribute 'append' of 'list' object is unsafe.");
  EXPECT_EQ(run("{{ 1|sparkle }}"), "chat template: line 1: Heed knows no filter 'sparkle'");
}

TEST(ChatTemplate, BombsEndAtTheirBounds) {
  const auto bomb = [](const std::string& source) {
    return refusal(source, ErrorCode::unsupported, {.max_steps = 100'000, .max_bytes = 1 << 22});
  };
  const std::string loops =
      "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}"
      "{% endfor %}";
  EXPECT_NE(bomb(loops).find("too many steps"), std::string::npos);
  bomb("{{ 'x' * 10 ** 12 }}");
  bomb("{{ [0] * 10 ** 12 }}");
  bomb("{{ ('x' * 9)|center(10 ** 9) }}");
  bomb("{{ '%1000000d' % 1 * 100 }}");
  bomb(
      "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}"
      "{% endfor %}");
  bomb(
      "{% set n = namespace(x=[1]) %}{% for i in range(90) %}{% set n.x = [n.x, n.x] %}"
      "{% endfor %}{{ n.x }}");
  bomb(
      "{% set n = namespace(x=[1]) %}{% for i in range(90) %}{% set n.x = [n.x, n.x] %}"
      "{% endfor %}{{ n.x|tojson }}{{ n.x == n.x + [] }}");
  bomb("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}");
  bomb("{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}");
  bomb("{{ ('a' * 100000).replace('', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb') }}");
}

TEST(ChatTemplate, TextIsPaidForBeforeItIsMade) {
  // each would be 20 GB and more before its end
  const std::string large = "{% set x = 'x' * 1000000 %}";
  for (const char* source :
       {"{{ 'x'.center(4611686018427387905, '\U0001F600') }}", "{{ ('{0}' * 20000).format(x) }}",
        "{{ ('%(a)s' * 20000) % {'a': x} }}", "{{ [x] * 20000 }}", "{{ [{x: 1}] * 20000 }}",
        "{{ ([{x: 1}] * 20000)|tojson }}"}) {
    refusal(large + source, ErrorCode::unsupported, {.max_steps = 1'000'000, .max_bytes = 1 << 22});
  }
  refusal("{{ 'x'.center(9, '--') }}", ErrorCode::invalid_argument);
  EXPECT_EQ(
      render("{{ 'x'.center(5, '-') }}{{ 'abc'|truncate(3, true, '', 9223372036854775807) }}"),
      "--x--abc");
}

TEST(ChatTemplate, DepthIsBoundedAndCirclesEnd) {
  refusal(
      "{% set n = namespace(x=[1]) %}{% for i in range(9999) %}{% set n.x = [n.x] %}"
      "{% endfor %}",
      ErrorCode::invalid_argument);
  refusal("{% set n = namespace() %}{% set n.n = n %}{{ n }}", ErrorCode::invalid_argument);
  EXPECT_EQ(
      render("{% set n = namespace() %}{% set n.n = n %}{% set n.l = [n] %}{{ n.n.l[0] == n }}"
             "{% macro f() %}{{ f is callable }}{% endmacro %}{{ f() }}"),
      "TrueTrue");
  refusal(std::string(5000, '{') + "{", ErrorCode::corrupt_data);
  refusal("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}",
          ErrorCode::corrupt_data);
  refusal("{{ " + std::string(5000, '-') + "1 }}", ErrorCode::corrupt_data);
  std::string sum = "{{ 1";
  for (int i = 0; i < 5000; ++i) sum += " + 1";
  refusal(sum + " }}", ErrorCode::corrupt_data);
  std::string ifs;
  for (int i = 0; i < 5000; ++i) ifs += "{% if 1 %}";
  refusal(ifs, ErrorCode::corrupt_data);
}

class Checkpoint : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("heed_chat_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void put(const std::string& name, const std::string& content) {
    write_file(folder_ / name, content);
  }
  std::filesystem::path folder_;
};

TEST_F(Checkpoint, HasItsTemplateInOneOfItsFiles) {
  EXPECT_FALSE(ChatTemplate::find(folder_).has_value());
  EXPECT_THROW(ChatTemplate::load(folder_), Error);
  put("tokenizer_config.json",
      R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>", "chat_template": "{{ bos_token }}c"})");
  EXPECT_EQ(ChatTemplate::load(folder_).render({}), "<s>c");
  EXPECT_EQ(ChatTemplate::load(folder_ / "tokenizer_config.json").render({}), "<s>c");
  put("chat_template.jinja", "{{ eos_token }}j\n");
  EXPECT_EQ(ChatTemplate::load(folder_).render({}), "</s>j");
  EXPECT_EQ(ChatTemplate::load(folder_ / "chat_template.jinja").render({}), "j");
}

TEST_F(Checkpoint, MayHaveATemplateOfItsOwnForTools) {
  put("tokenizer_config.json", R"({"chat_template": [{"name": "default", "template": "plain"},
                                                     {"name": "tool_use", "template": "tools"}]})");
  const ChatTemplate chat = ChatTemplate::load(folder_);
  EXPECT_EQ(chat.render({}), "plain");
  EXPECT_EQ(chat.render({}, {.tools = "[]"}), "tools");
}

TEST_F(Checkpoint, NamesItsFileInErrors) {
  put("chat_template.jinja", "\n{{");
  try {
    ChatTemplate::load(folder_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("chat_template.jinja: line 2"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace heed
