#include "cli/train_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>
#include <utility>

#include "cli/train_probe.h"
#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/io/json.h"
#include "heed/lens/look_picture.h"

namespace heed::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostFrames = 12;  // of a film: the first, the last and what lies evenly between
constexpr const char* kFrame = "step-";  // begins the names of its files
constexpr const char* kFrameEnding = ".json";
constexpr const char* kFilm = "film.png";

/// What was looked at after so many updates.
struct Frame {
  int64_t step;
  std::vector<HeatMap> maps;  // of each head
};

/// The files of moments that a folder has, by their updates.
std::map<int64_t, fs::path> frames_in(const fs::path& folder) {
  std::map<int64_t, fs::path> frames;
  if (!is_folder(folder)) return frames;
  for (const fs::directory_entry& entry : entries_of(folder)) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() != kFrameEnding || !name.starts_with(kFrame)) continue;
    const char* const digits = name.data() + std::string_view(kFrame).size();
    int64_t step = 0;
    const auto [end, wrong] = std::from_chars(digits, name.data() + name.size(), step);
    if (wrong == std::errc() && end == name.data() + name.size()) frames[step] = entry.path();
  }
  return frames;
}

/// The first moment, the last, and of the others some that lie evenly between.
std::vector<std::pair<int64_t, fs::path>> spread(const std::map<int64_t, fs::path>& frames) {
  const std::vector<std::pair<int64_t, fs::path>> all(frames.begin(), frames.end());
  if (all.size() <= kMostFrames) return all;
  std::vector<std::pair<int64_t, fs::path>> some;
  for (size_t i = 0; i < kMostFrames; ++i) {
    some.push_back(all[i * (all.size() - 1) / (kMostFrames - 1)]);
  }
  return some;
}

/// A map of a picture that was saved as JSON.
HeatMap map_in(const Json& one) {
  HeatMap map;
  map.title = one.at("title").get<std::string>();
  map.layer = one.at("layer").get<int>();
  map.head = one.at("head").get<int>();
  map.row_labels = one.at("rows").get<std::vector<std::string>>();
  map.column_labels = one.at("columns").get<std::vector<std::string>>();
  map.row_edges = one.value("row_edges", std::vector<int64_t>());
  map.column_edges = one.value("column_edges", std::vector<int64_t>());
  const Json& rows = one.at("values");
  std::vector<float> values;
  for (const Json& row : rows) {
    for (const Json& value : row) values.push_back(value.is_null() ? NAN : value.get<float>());
  }
  map.values = Tensor::from(values, {std::ssize(rows), std::ssize(rows.at(0))});
  map.highest = 1;
  return map;
}

/// All of them; none of a file that is no picture's.
std::vector<HeatMap> maps_in(const fs::path& file) {
  std::vector<HeatMap> maps;
  try {
    const Json picture = read_json(file);
    for (const Json& one : picture.at("maps")) maps.push_back(map_in(one));
  } catch (const Error&) {
    return {};
  } catch (const Json::exception&) {
    return {};
  }
  return maps;
}

}  // namespace

TrainWatch::TrainWatch(const TrainConfig& settings) : settings_(settings) {
  for (const std::string& text : settings.watch_heads) {
    const auto head = parse_head_place(text);
    if (!head) {
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("train: watch_heads takes LAYER.HEAD, as 0.3, but is {}", in_quotes(text)));
    }
    heads_.push_back(*head);
  }
}

/// The first head of up to four layers, evenly, if none were named.
void TrainWatch::choose_heads(const EncoderFacts& facts) {
  if (facts.layers == 0 || facts.heads == 0) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("train: watch_every needs a model with heads to look into, found {}",
                            facts.architecture));
  }
  if (heads_.empty()) {
    const int64_t count = std::min(int64_t{4}, facts.layers);
    for (int64_t i = 0; i < count; ++i) {
      heads_.push_back({count == 1 ? 0 : i * (facts.layers - 1) / (count - 1), 0});
    }
  }
  for (const HeadPlace& head : heads_) {
    if (head.layer < facts.layers && head.head < facts.heads) continue;
    throw Error(ErrorCode::invalid_argument,
                fmt::format("train: watch_heads {}.{}: the model has layers 0 to {} and heads 0 to "
                            "{}",
                            head.layer, head.head, facts.layers - 1, facts.heads - 1));
  }
}

void TrainWatch::begin(int64_t first_step, const TrainTask& task) {
  const TrainProbe probe(settings_, task);
  choose_heads(probe.facts());
  attention_ = probe.attention();
  if (!is_folder(folder())) return;
  remove_temporaries(folder(), [](std::string_view target) {
    return target.starts_with(kFrame) || target == kFilm;
  });
  for (const auto& [step, file] : frames_in(folder())) {
    if (step <= first_step) continue;
    remove_file(file);
    remove_file(fs::path(file).replace_extension(".png"));
  }
}

std::string TrainWatch::title_of(const HeadPlace& head) const {
  return fmt::format("{}{}layer {}, head {}", attention_, attention_.empty() ? "" : ", ",
                     head.layer, head.head);
}

HeatMap TrainWatch::map_of(const Look& seen, const HeadPlace& head) const {
  Picture one = look_picture({seen}, {.layer = Pick::one(head.layer),
                                      .head = Pick::one(head.head),
                                      .sinks = true,
                                      .marked = {},
                                      .model = {}});
  HeatMap map = std::move(one.maps.front());
  map.title = title_of(head);
  map.layer = static_cast<int>(head.layer);
  map.head = static_cast<int>(head.head);
  map.highest = 1;  // so that moments can be compared
  return map;
}

void TrainWatch::look(int64_t step, const TrainTask& task) {
  const Look seen = TrainProbe(settings_, task).look();
  Picture frame{
      .title = fmt::format("After {}", counted(step, "update")), .caption = {}, .maps = {}};
  for (const HeadPlace& head : heads_) frame.maps.push_back(map_of(seen, head));
  make_folder(folder());
  const std::string name = fmt::format("{}{:08}", kFrame, step);
  save_picture(frame, folder() / (name + ".png"), Theme::light);
  save_picture(frame, folder() / (name + kFrameEnding), Theme::light);
}

void TrainWatch::save_film() const {
  std::vector<Frame> shown;
  for (const auto& [step, file] : spread(frames_in(folder()))) {
    Frame frame{.step = step, .maps = maps_in(file)};
    const auto is_of = [this](const HeatMap& map, const HeadPlace& head) {
      return map.title == title_of(head);
    };
    if (std::ranges::equal(frame.maps, heads_, is_of)) shown.push_back(std::move(frame));
  }
  if (shown.empty()) return;
  const std::string which = attention_.empty() ? "" : ": " + attention_;
  Picture film{.title = "Attention while it forms" + which,
               .caption = "A row is a head, LAYER.HEAD, a column a moment of the training.",
               .maps = {},
               .columns = static_cast<int>(shown.size())};
  for (size_t head = 0; head < heads_.size(); ++head) {
    for (const Frame& frame : shown) {
      HeatMap map = frame.maps[head];
      map.title = fmt::format("step {}, {}.{}", frame.step, heads_[head].layer, heads_[head].head);
      film.maps.push_back(std::move(map));
    }
  }
  save_picture(film, folder() / kFilm, Theme::light);
}

}  // namespace heed::cli
