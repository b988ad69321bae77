#include "heed/text/chat_template.h"

#include <fmt/format.h>

#include <utility>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/io/json.h"
#include "heed/text/jinja/context.h"
#include "heed/text/jinja/filters.h"
#include "heed/text/jinja/json_values.h"
#include "heed/text/jinja/parser.h"
#include "heed/text/unicode.h"

namespace heed {

using jinja::Dict;
using jinja::Value;

struct ChatTemplate::Parts {
  std::string source;
  std::string where;
  OrderedJson variables;  // an object
  jinja::Block block;
};

namespace {

OrderedJson parsed(std::string_view text, const std::string& what, bool is_list) {
  OrderedJson json = parse_ordered_json(text, what);
  if (is_list ? json.is_array() : json.is_object()) return json;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: needed the text of a JSON {}, found {}", what,
                          is_list ? "list" : "object", in_quotes(text)));
}

OrderedJson object_of(std::string_view text, const std::string& what) {
  return text.empty() ? OrderedJson::object() : parsed(text, what, /*is_list=*/false);
}

Value list_or_none(std::string_view text, const std::string& what) {
  return text.empty() ? Value() : jinja::value_of(parsed(text, what, /*is_list=*/true));
}

std::string valid_utf8(std::string_view text) {
  return is_valid_utf8(text) ? std::string(text) : to_utf8(decode_utf8(text).chars);
}

/// As transformers: what a model thought goes by several names, and templates read one or another.
Value with_reasoning(const Dict& message) {
  for (const std::string_view name : {"reasoning_content", "thinking", "reasoning"}) {
    const Value* reasoning = message.find(name);
    if (reasoning == nullptr || reasoning->is_none()) continue;
    Dict out;
    out.put("thinking", *reasoning);
    for (const auto& [key, value] : message.items()) out.put(key, value);
    out.put("reasoning_content", *reasoning);
    return Value(std::move(out));
  }
  return Value(message);
}

Value message_of(const ChatMessage& message) {
  Dict out;
  out.put("role", Value(valid_utf8(message.role)));
  out.put("content", Value(valid_utf8(message.content)));
  const OrderedJson more = object_of(message.more, "chat: a message's further members");
  for (const auto& [key, value] : more.items()) out.put(key, jinja::value_of(value));
  return with_reasoning(out);
}

Value messages_of(std::string_view text) {
  const OrderedJson json = parsed(text, "chat: messages", /*is_list=*/true);
  std::vector<Value> out;
  for (const OrderedJson& message : json) {
    if (!message.is_object()) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("chat: messages: needed objects, found {}", message.dump()));
    }
    out.push_back(with_reasoning(jinja::value_of(message).dict()));
  }
  return Value::sequence(std::move(out));
}

void set_all(jinja::Scope& scope, const OrderedJson& variables) {
  for (const auto& [name, value] : variables.items()) scope.set(name, jinja::value_of(value));
}

[[noreturn]] void fail(const std::string& where, int line, ErrorCode code, const char* what) {
  throw Error(code, fmt::format("{}: line {}: {}", where, line, what));
}

}  // namespace

ChatTemplate::ChatTemplate(std::string source, std::string variables, std::string where) {
  auto parts = std::make_shared<Parts>();
  if (!is_valid_utf8(source)) {
    throw Error(ErrorCode::corrupt_data, fmt::format("{}: the template is not UTF-8", where));
  }
  parts->variables = object_of(variables, where + ": variables");
  try {
    parts->block = jinja::parse(source);
  } catch (const jinja::SyntaxFault& fault) {
    fail(where, fault.line, ErrorCode::corrupt_data, fault.what());
  }
  parts->source = std::move(source);
  parts->where = std::move(where);
  parts_ = std::move(parts);
}

const std::string& ChatTemplate::source() const { return parts_->source; }

std::string ChatTemplate::run(const std::function<Value()>& messages,
                              const ChatOptions& options) const {
  const Parts& parts = !options.tools.empty() && tool_parts_ ? *tool_parts_ : *parts_;
  jinja::Context context(jinja::Budget(options.max_steps, options.max_bytes),
                         options.now.value_or(std::time(nullptr)));
  std::string out;
  context.out = &out;
  try {
    const auto globals = jinja::global_names();
    globals->set("messages", messages());
    globals->set("tools", list_or_none(options.tools, "chat: tools"));
    globals->set("documents", list_or_none(options.documents, "chat: documents"));
    globals->set("add_generation_prompt", Value(options.add_generation_prompt));
    set_all(*globals, parts.variables);
    set_all(*globals, object_of(options.variables, "chat: variables"));
    context.scope = std::make_shared<jinja::Scope>(jinja::Scope{.parent = globals});
    jinja::run_all(parts.block, context);
  } catch (const jinja::BudgetFault& fault) {
    fail(parts.where, context.line, ErrorCode::unsupported, fault.what());
  } catch (const jinja::Fault& fault) {
    fail(parts.where, context.line, ErrorCode::invalid_argument, fault.what());
  }
  return out;
}

std::string ChatTemplate::render(std::span<const ChatMessage> messages,
                                 const ChatOptions& options) const {
  return run(
      [&] {
        std::vector<Value> out;
        for (const ChatMessage& message : messages) out.push_back(message_of(message));
        return Value::sequence(std::move(out));
      },
      options);
}

std::string ChatTemplate::render_json(std::string_view messages, const ChatOptions& options) const {
  return run([&] { return messages_of(messages); }, options);
}

}  // namespace heed
