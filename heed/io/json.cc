#include "heed/io/json.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"

namespace heed {
namespace {

constexpr int kMaxDepth = 128;

/// "at byte 17 (line 2, column 5)", counted from 0 and, as editors do, from 1.
std::string describe_place(std::string_view text, size_t byte) {
  const std::string_view before = text.substr(0, byte);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return "at byte " + std::to_string(byte) + " (line " + std::to_string(line) + ", column " +
         std::to_string(before.size() - line_start + 1) + ")";
}

[[noreturn]] void fail(std::string_view where, const std::string& found) {
  throw Error(ErrorCode::corrupt_data, std::string(where) + ": needed JSON, found " + found);
}

/// The parser keeps its stack on the heap, but copying and printing what it returns recurse: text
/// nested deeper than any real file is refused before it is parsed.
void check_depth(std::string_view text, std::string_view where) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) {
        fail(where, "more than " + std::to_string(kMaxDepth) + " levels of nesting " +
                        describe_place(text, i));
      }
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
}

/// The middle of nlohmann's "[json.exception...] parse error at line 1, column 2: syntax error
/// while parsing object key - invalid literal; last read: '{a'; expected string literal": what was
/// read may be megabytes long or not UTF-8, so it goes.
std::string reason_of(const Json::parse_error& error) {
  std::string_view message = error.what();
  const size_t dash = message.find(" - ");
  if (dash != std::string_view::npos) message.remove_prefix(dash + 3);
  const std::string_view reason = message.substr(0, message.find("; "));
  const size_t expected = message.rfind("; expected ");
  return std::string(reason) +
         std::string(expected == std::string_view::npos ? "" : message.substr(expected));
}

/// A callback for the parser that throws on the second of two equal keys in one object.
class RefuseDuplicates {
 public:
  explicit RefuseDuplicates(std::string_view where) : where_(where) {}

  bool operator()(int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) {
      open_.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      open_.pop_back();
    } else if (event == Json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!open_.back().insert(key).second) fail(where_, "the key " + in_quotes(key) + " twice");
    }
    return true;
  }

 private:
  std::string_view where_;
  std::vector<std::set<std::string>> open_;
};

/// A callback for the parser that takes a large object's members out of the document.
class TakeMembers {
 public:
  explicit TakeMembers(LargeObject large) : large_(std::move(large)) {}

  /// depth: how many lists and objects are open around the key or value.
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    const auto level = static_cast<size_t>(depth);
    if (event == Event::key) {
      path_.resize(level);
      path_.back() = parsed.get<std::string>();
      return !inside(level);
    }
    if (!inside(level)) return true;
    if (event == Event::value) large_.take(path_.back(), parsed);
    if (event == Event::array_start) large_.take(path_.back(), Json::array());
    if (event == Event::object_start) large_.take(path_.back(), Json::object());
    return true;
  }

 private:
  /// Whether what stands at that depth is a member: path_ has the large object's keys and its own.
  bool inside(size_t level) const {
    return level == large_.path.size() + 1 && path_.size() == level &&
           std::equal(large_.path.begin(), large_.path.end(), path_.begin());
  }

  LargeObject large_;
  std::vector<std::string> path_;
};

template <class Document = Json, class... Callback>
Document parse(std::string_view text, std::string_view where, Callback&&... callback) {
  if (text.empty()) fail(where, "nothing: 0 bytes");
  check_depth(text, where);
  try {
    return Document::parse(text, std::forward<Callback>(callback)...);
  } catch (const Json::parse_error& error) {
    const size_t byte = error.byte > 0 ? error.byte - 1 : 0;  // nlohmann counts from 1
    fail(where,
         "an error " + describe_place(text, std::min(byte, text.size())) + ": " + reason_of(error));
  } catch (const Json::out_of_range&) {
    fail(where, "a number beyond the range of a double");
  }
}

}  // namespace

Json parse_json(std::string_view text, std::string_view where, DuplicateKeys duplicates) {
  if (duplicates == DuplicateKeys::keep_last) return parse(text, where);
  return parse(text, where, RefuseDuplicates(where));
}

Json parse_json(std::string_view text, std::string_view where, LargeObject large) {
  return parse(text, where, TakeMembers(std::move(large)));
}

OrderedJson parse_ordered_json(std::string_view text, std::string_view where) {
  return parse<OrderedJson>(text, where);
}

Json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

}  // namespace heed
