#include "cli/train_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/lens/look_picture.h"

namespace heed::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostFrames = 12;  // of a film: the first, the last and what lies evenly between
constexpr int64_t kProbeTokens = 12;

/// "2.5" is head 5 of layer 2.
bool parse_head(const std::string& text, int64_t* layer, int64_t* head) {
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, *layer);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') return false;
  const auto second = std::from_chars(first.ptr + 1, end, *head);
  return second.ec == std::errc() && second.ptr == end;
}

/// The data's first words, where no sentence was given.
std::string probe_of(const TrainConfig& settings, const TrainTask& task) {
  return settings.watch_text.empty() ? task.sample_text(kProbeTokens) : settings.watch_text;
}

}  // namespace

Look watched_look(const Encoder& model, const Tokenizer& tokenizer, const std::string& text) {
  return heed::look(model, tokenizer, text, {.truncate = true});
}

TrainWatch::TrainWatch(const TrainConfig& settings) : settings_(settings) {
  for (const std::string& text : settings.watch_heads) {
    Head head{};
    if (!parse_head(text, &head.layer, &head.head)) {
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("train: watch_heads takes LAYER.HEAD, as 0.3, but is {}", in_quotes(text)));
    }
    heads_.push_back(head);
  }
}

/// The first head of up to four layers, evenly, if none were named.
void TrainWatch::choose_heads(const Encoder& model) {
  const EncoderFacts& facts = model.facts();
  if (heads_.empty()) {
    const int64_t count = std::min(int64_t{4}, facts.layers);
    for (int64_t i = 0; i < count; ++i) {
      heads_.push_back({count == 1 ? 0 : i * (facts.layers - 1) / (count - 1), 0});
    }
  }
  for (const Head& head : heads_) {
    if (head.layer >= 0 && head.layer < facts.layers && head.head >= 0 && head.head < facts.heads) {
      continue;
    }
    throw Error(ErrorCode::invalid_argument,
                fmt::format("train: watch_heads {}.{}: the model has layers 0 to {} and heads 0 to "
                            "{}",
                            head.layer, head.head, facts.layers - 1, facts.heads - 1));
  }
}

HeatMap TrainWatch::titled(HeatMap map, const Head& head) const {
  map.title = fmt::format("layer {}, head {}", head.layer, head.head);
  return map;
}

void TrainWatch::look(int64_t step, const TrainTask& task) {
  const Encoder* model = task.encoder();
  if (model == nullptr) {
    throw Error(ErrorCode::invalid_argument,
                "train: watching is for models that read one text, not for translate");
  }
  if (frames_.empty()) choose_heads(*model);
  const std::vector<Look> looks{watched_look(*model, task.tokenizer(), probe_of(settings_, task))};
  Frame frame{.step = step, .maps = {}};
  for (const Head& head : heads_) {
    Picture one = look_picture(looks, {.layer = Pick::one(head.layer),
                                       .head = Pick::one(head.head),
                                       .sinks = true,
                                       .marked = {},
                                       .model = {}});
    one.maps.front().highest = 1;  // so that moments can be compared
    frame.maps.push_back(titled(std::move(one.maps.front()), head));
  }
  const fs::path folder = fs::path(settings_.out) / "watch";
  fs::create_directories(folder);
  save_picture({.title = fmt::format("After {} updates", step), .caption = {}, .maps = frame.maps},
               folder / fmt::format("step-{:08}.png", step), Theme::light);
  frames_.push_back(std::move(frame));
}

void TrainWatch::save_film() const {
  if (frames_.empty()) return;
  std::vector<const Frame*> shown;
  const size_t count = std::min(kMostFrames, frames_.size());
  for (size_t i = 0; i < count; ++i) {
    shown.push_back(&frames_[count == 1 ? 0 : i * (frames_.size() - 1) / (count - 1)]);
  }
  Picture film{.title = "Attention while it forms",
               .caption = "A row is a head, LAYER.HEAD, a column a moment of the training.",
               .maps = {},
               .columns = static_cast<int>(count)};
  for (size_t head = 0; head < heads_.size(); ++head) {
    for (const Frame* frame : shown) {
      HeatMap map = frame->maps[head];
      map.title = fmt::format("{}.{}, step {}", heads_[head].layer, heads_[head].head, frame->step);
      film.maps.push_back(std::move(map));
    }
  }
  save_picture(film, fs::path(settings_.out) / "watch" / "film.png", Theme::light);
}

}  // namespace heed::cli
