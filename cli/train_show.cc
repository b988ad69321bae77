#include "cli/train_show.h"

#include <fmt/format.h>

#include <cstdio>

#include "cli/json_out.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "cli/train_watch.h"
#include "heed/base/file.h"
#include "heed/base/log.h"
#include "heed/base/message.h"
#include "heed/io/csv.h"
#include "heed/io/json.h"
#include "heed/lens/line_chart.h"

namespace heed::cli {
namespace {

namespace fs = std::filesystem;

std::string numbers_of(const Evaluation& result) {
  std::string text = fmt::format("validation loss {:.4f}", result.loss);
  for (const auto& [name, value] : result.more) text += fmt::format(", {} {:.4f}", name, value);
  return text;
}

const char* name_of(TrainEnd end) {
  switch (end) {
    case TrainEnd::done:
      return "done";
    case TrainEnd::stopped_early:
      return "stopped_early";
    case TrainEnd::interrupted:
      return "interrupted";
  }
  return "done";
}

}  // namespace

TrainShow::TrainShow(const Context& context, const TrainConfig& settings)
    : context_(context), settings_(settings), terminal_(is_terminal(stderr)) {
  if (settings.watch_every > 0) watch_ = std::make_unique<TrainWatch>(settings);
}

TrainShow::~TrainShow() { clear_progress(); }

void TrainShow::say(const std::string& line) const {
  if (context_.quiet || context_.json) return;
  clear_progress();
  std::fprintf(stderr, "%s\n", printable(line).c_str());
}

void TrainShow::started(const TrainFacts& facts, const TrainTask& task) {
  if (watch_) watch_->begin(facts.first_step, task);
  if (context_.json) {
    print_json({{"parameters", facts.parameters},
                {"trained", facts.trained},
                {"total_steps", facts.total_steps},
                {"first_step", facts.first_step},
                {"skipped_rows", facts.skipped_rows},
                {"processes", facts.processes}});
    return flush_output();
  }
  say(fmt::format("training {} of {} numbers for {}{}{}{}", facts.trained, facts.parameters,
                  counted(facts.total_steps, "update"),
                  facts.processes > 1 ? fmt::format(" by {} processes", facts.processes) : "",
                  facts.first_step > 0 ? fmt::format(", from update {} on", facts.first_step) : "",
                  facts.skipped_rows > 0
                      ? fmt::format("; {} left out", counted(facts.skipped_rows, "bad row"))
                      : ""));
}

void TrainShow::progressed(const TrainStatus& status) {
  if (context_.json) {
    print_json({{"step", status.step},
                {"loss", status.loss},
                {"learning_rate", status.learning_rate},
                {"gradient_norm", status.gradient_norm},
                {"tokens_per_second", status.tokens_per_second},
                {"seconds_left", status.seconds_left},
                {"memory_bytes", status.memory_bytes}});
    return flush_output();
  }
  if (context_.quiet) return;
  const std::string line =
      fmt::format("step {}/{}  loss {:.4f}  rate {:.2e}  {:.0f} tokens/s  {} left  {}", status.step,
                  status.total_steps, status.loss, status.learning_rate, status.tokens_per_second,
                  duration_text(status.seconds_left), human_bytes(status.memory_bytes));
  if (terminal_) {
    draw_progress(line);
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

void TrainShow::evaluated(int64_t step, const Evaluation& result, bool best) {
  if (context_.json) {
    OutJson line = {{"step", step}, {"valid_loss", result.loss}};
    for (const auto& [name, value] : result.more) line[name] = value;
    line["best"] = best;
    print_json(line);
    return flush_output();
  }
  say(fmt::format("step {}: {}{}", step, numbers_of(result), best ? " (the best so far)" : ""));
}

void TrainShow::saved(int64_t step, const fs::path& folder) {
  if (!context_.json) return;
  print_json({{"step", step}, {"saved", folder.string()}});
  flush_output();
}

void TrainShow::skipped(int64_t /*step*/, const std::string& why) {
  log(LogLevel::warning, "train: left out " + why);
}

void TrainShow::watched(int64_t step, const TrainTask& task) {
  if (watch_) watch_->look(step, task);
}

void TrainShow::ended(const TrainResult& result) {
  clear_progress();
  const fs::path out = settings_.out;
  draw_loss_curve(out / "metrics.jsonl", out / "loss.png");
  if (watch_) watch_->save_film();
  if (context_.json) {
    OutJson line = {{"end", name_of(result.end)}, {"steps", result.steps}, {"out", out.string()}};
    if (result.best) line["best_loss"] = result.best->loss;
    print_json(line);
    return;
  }
  const std::string best = result.best ? "; best " + numbers_of(*result.best) : "";
  switch (result.end) {
    case TrainEnd::done:
      return say(fmt::format("done after {}{}; the model is in {}", counted(result.steps, "update"),
                             best, out.string()));
    case TrainEnd::stopped_early:
      return say(fmt::format("no better for {}: ended after {}{}; the model is in {}",
                             counted(settings_.patience, "evaluation"),
                             counted(result.steps, "update"), best, out.string()));
    case TrainEnd::interrupted:
      return say(fmt::format("stopped and saved after {}; the same command with --resume goes on",
                             counted(result.steps, "update")));
  }
}

void draw_loss_curve(const fs::path& metrics, const fs::path& picture) {
  LineChart chart{.title = "Loss", .x_axis = "updates", .y_axis = "loss", .series = {}};
  LineChart::Series train{.name = "training", .x = {}, .y = {}}, valid{"validation", {}, {}};
  const std::string content = read_file(metrics);
  for (const std::string_view text : lines_of(content)) {
    const Json line = parse_json(text, metrics.string());
    for (const auto& [name, series] : {std::pair{"loss", &train}, {"valid_loss", &valid}}) {
      if (!line.contains(name) || !line[name].is_number()) continue;
      series->x.push_back(line.at("step").get<double>());
      series->y.push_back(line[name].get<double>());
    }
  }
  if (!train.x.empty()) chart.series.push_back(std::move(train));
  if (!valid.x.empty()) chart.series.push_back(std::move(valid));
  if (!chart.series.empty()) save_chart(chart, picture, Theme::light);
}

}  // namespace heed::cli
