#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "cli/json_out.h"
#include "heed/generate/chat.h"
#include "heed/lens/id_text.h"
#include "heed/lens/live_look.h"

namespace heed::cli {

struct Context;

/// /look of a chat: which earlier words the model looks at while it answers.
class ChatLook {
 public:
  ChatLook(Chat& chat, const Context& context);

  /// What stands behind /look: nothing or "mean" (all heads), "LAYER", "LAYER.HEAD" or "off"; what
  /// there is to say about it. Error invalid_argument for others.
  std::string choose(const std::string& heads);
  bool is_on() const { return live_ != nullptr; }

  /// An answer begins. Error unsupported where several texts are followed.
  void begin(const GenerateOptions& choices);
  /// A piece of the answer has come: prints what was looked at to write it, or keeps it for
  /// --json.
  void add(std::string_view piece);
  /// [{"text", "words": [{"token", "word", "weight"}]}], a piece each.
  OutJson take_json();

 private:
  struct Seen {
    int64_t token = 0;  // the word's first
    std::string word;
    float weight = 0;
  };
  std::vector<Seen> seen();
  std::string line(std::string_view piece, const std::vector<Seen>& words) const;

  Chat& chat_;
  const Context& context_;
  IdText ids_;
  std::unique_ptr<LiveLook> live_;  // null: off
  OutJson json_ = OutJson::array();
};

}  // namespace heed::cli
