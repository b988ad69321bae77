#include "heed/train/metrics.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/io/csv.h"
#include "heed/io/json.h"
#include "heed/train/tensorboard.h"

namespace heed {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string json_line(int64_t step, const Metrics& metrics) {
  OrderedJson line{{"step", step}};
  for (const auto& [name, value] : metrics) line[name] = value;
  return line.dump() + "\n";
}

/// A line of metrics.jsonl; nothing if it is none.
std::optional<std::pair<int64_t, Metrics>> parse_line(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) {
    return std::nullopt;
  }
  Metrics metrics;
  for (const auto& [name, value] : json.items()) {
    if (name != "step" && value.is_number()) metrics.emplace_back(name, value.get<double>());
  }
  return std::pair(json["step"].get<int64_t>(), std::move(metrics));
}

/// Calls each with every whole line of steps up to last; returns the bytes of these lines. They end
/// where a line is torn or of a later step.
template <class F>
size_t for_lines(std::string_view content, int64_t last, F&& each) {
  size_t kept = 0;
  while (true) {
    const size_t end = content.find('\n', kept);
    if (end == content.npos) return kept;
    const auto line = parse_line(content.substr(kept, end - kept));
    if (!line || line->first > last) return kept;
    each(line->first, line->second);
    kept = end + 1;
  }
}

}  // namespace

MetricsWriter::MetricsWriter(const fs::path& folder, Options options)
    : columns_(std::move(options.columns)) {
  const fs::path jsonl = folder / "metrics.jsonl";
  const std::string before = is_there(jsonl) ? read_file(jsonl) : "";
  // metrics.csv has nothing that metrics.jsonl has not: it is written anew
  std::string csv = "step";
  for (const std::string& name : columns_) csv += "," + csv_cell(name);
  csv += "\n";
  const size_t kept = for_lines(before, options.resume_step,
                                [&](int64_t step, const Metrics& m) { csv += csv_line(step, m); });
  jsonl_ = std::make_unique<GrowingFile>(jsonl, static_cast<int64_t>(kept));
  csv_ = std::make_unique<GrowingFile>(folder / "metrics.csv", 0);
  csv_->append(csv);
  if (!options.tensorboard) return;
  const double time = now();
  const auto seconds = std::to_string(static_cast<int64_t>(time));
  events_ = std::make_unique<GrowingFile>(
      folder / ("events.out.tfevents." + seconds + ".heed." + std::to_string(::getpid())), 0);
  events_->append(internal::event_file_start(time));
  if (options.resume_step > 0) {
    events_->append(internal::event_restart(time, options.resume_step + 1));
  }
}

MetricsWriter::~MetricsWriter() = default;

std::string MetricsWriter::csv_line(int64_t step, const Metrics& metrics) const {
  std::string line = std::to_string(step);
  for (const std::string& column : columns_) {
    const auto found = std::find_if(metrics.begin(), metrics.end(),
                                    [&](const auto& metric) { return metric.first == column; });
    line += ",";
    if (found != metrics.end() && std::isfinite(found->second)) line += Json(found->second).dump();
  }
  return line + "\n";
}

void MetricsWriter::write(int64_t step, const Metrics& metrics) {
  for (const auto& [name, value] : metrics) {
    if (std::find(columns_.begin(), columns_.end(), name) == columns_.end()) {
      throw Error(ErrorCode::invalid_argument, "metrics: there is no column " + in_quotes(name) +
                                                   "; the columns are " + listed(columns_));
    }
  }
  jsonl_->append(json_line(step, metrics));
  csv_->append(csv_line(step, metrics));
  if (events_) events_->append(internal::event_of(now(), step, metrics));
}

void MetricsWriter::sync() {
  for (const auto* file : {&jsonl_, &csv_, &events_}) {
    if (*file) (*file)->sync();
  }
}

}  // namespace heed
