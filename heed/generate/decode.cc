#include "heed/generate/decode.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/cancel.h"
#include "heed/base/error.h"

namespace heed {

std::string_view to_string(Finish finish) { return finish == Finish::stop ? "stop" : "length"; }

int64_t room_after(const Stepper& stepper, const std::vector<int32_t>& prompt,
                   int64_t max_new_tokens) {
  if (max_new_tokens < 1) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("generate: max-new-tokens must be at least 1 but is {}", max_new_tokens));
  }
  if (prompt.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "generate: the prompt has no tokens, and the model names none that a text begins "
                "with; give some text");
  }
  const int64_t room = stepper.max_tokens() - std::ssize(prompt);
  if (room < 1) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("generate: a prompt of {} tokens leaves no room for more, as the model "
                            "has {} positions; shorten it",
                            prompt.size(), stepper.max_tokens()));
  }
  return std::min(room, max_new_tokens);
}

Written decode(Stepper& stepper, const std::vector<int32_t>& prompt, const DecodeOptions& options) {
  check_sampling(options.sampling);
  const int64_t room = room_after(stepper, prompt, options.max_new_tokens);
  std::vector<std::vector<int32_t>> rows = {prompt};
  std::vector<int64_t> parents;
  Written written;
  for (int64_t step = 0; step < room; ++step) {
    check_cancelled();
    const Tensor logits = stepper.next(rows, parents);  // [1, V]
    const int32_t id =
        pick_token(logits.span<float>(), options.sampling, sampling_draw(options.seed, step));
    written.score += logits.at({0, id}) - log_sum_exp(logits.span<float>());
    written.ids.push_back(id);
    if (options.on_token) options.on_token(id);
    if (std::ranges::find(options.end_ids, id) != options.end_ids.end()) {
      written.finish = Finish::stop;
      break;
    }
    rows[0].push_back(id);
    parents = {0};
  }
  return written;
}

}  // namespace heed
