#include "heed/tasks/notes.h"

#include <fmt/format.h>

#include "heed/base/log.h"
#include "heed/base/message.h"

namespace heed {

void RunNotes::count(int64_t texts, int64_t cut, int64_t max_tokens) {
  texts_ += texts;
  cut_ += cut;
  max_tokens_ = max_tokens;
}

void RunNotes::tell_once(const std::string& note) {
  if (told_.insert(note).second) log(LogLevel::warning, note);
}

void RunNotes::finish(std::string_view operation) const {
  if (cut_ == 0) return;
  log(LogLevel::warning,
      fmt::format("{}: cut {} of {}, longer than the {} tokens that the model reads", operation,
                  cut_, counted(texts_, "text"), max_tokens_));
}

}  // namespace heed
