#include "heed/train/trainer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <utility>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/base/message.h"
#include "heed/base/stopwatch.h"
#include "heed/tensor/storage.h"
#include "heed/train/checkpoint.h"
#include "heed/train/fault.h"
#include "heed/train/run_folder.h"
#include "heed/train/run_progress.h"
#include "heed/train/schedule.h"
#include "heed/train/sharded_optimizer.h"
#include "heed/train/together.h"
#include "heed/train/update.h"
#include "heed/train/weights.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kUsualTimes = 10;  // that a run is measured or saved, where settings do not say

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

/// Updates of the whole run.
int64_t steps_of(const TrainConfig& settings, int64_t batches_per_epoch) {
  if (settings.steps > 0) return settings.steps;
  const double epochs = settings.epochs > 0 ? settings.epochs : 1;
  const double updates =
      epochs * static_cast<double>(batches_per_epoch) / static_cast<double>(settings.accumulate);
  constexpr double kMost = 0x1p53;  // as far as counts are exact
  if (updates > kMost) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("train: {:g} epochs are more updates than can be counted", epochs));
  }
  return std::max(int64_t{1}, static_cast<int64_t>(std::llround(updates)));
}

/// By the score; between equals by the loss.
bool is_better(const Evaluation& a, const Evaluation& b) {
  return a.score > b.score || (a.score == b.score && a.loss < b.loss);
}

/// The folder, once it is sure that model and schedule can be served: nothing is written before
/// that.
RunFolder open_folder(const TrainConfig& settings, const ScheduleOptions& schedule, bool resume,
                      bool writes, const ModelStart& start) {
  learning_rate(schedule, 0);
  std::error_code ignored;
  if (start.from_checkpoint() && fs::equivalent(settings.out, start.folder, ignored)) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("train: {} holds the model to start from, whose files the result would "
                            "replace; name another folder with --out",
                            settings.out));
  }
  return writes ? RunFolder(settings, resume) : RunFolder(settings.out);
}

int64_t model_width(const Json& config) {
  for (const char* name : {"d_model", "n_embd", "hidden_size", "dim"}) {
    if (config.contains(name)) return config.value(name, int64_t{1});
  }
  return 1;
}

std::vector<ParameterGroup> groups_of(const TrainConfig& settings, const NamedTensors& trained) {
  if (settings.layer_rate_decay == 1) return group_parameters(trained, settings.weight_decay);
  return group_parameters(trained, settings.weight_decay,
                          layer_rates(trained, settings.layer_rate_decay));
}

int64_t count_of(const NamedTensors& tensors) {
  int64_t count = 0;
  for (const auto& [name, tensor] : tensors) count += tensor.numel();
  return count;
}

class Trainer {
 public:
  Trainer(const TrainConfig& settings, bool resume, TrainListener& listener, Group& group)
      : settings_(settings),
        listener_(listener),
        group_(group),
        bad_(settings.skip_bad),
        task_(together(group, [&] { return make_task(settings, bad_); })),
        total_(steps_of(settings, task_->batches_per_epoch())),
        schedule_(schedule_options(settings, total_, model_width(task_->start().config))),
        weights_(together(
            group, [&] { return TrainedWeights(settings, task_->start(), task_->init_rule()); })),
        folder_(together(group, [&] {
          rebuild();
          weights_.check();
          return open_folder(settings, schedule_, resume, group.is_first(), task_->start());
        })) {
    run_ = together(group, [&] { return identity(); });
    const std::optional<TrainingState> state = find_state(resume);
    together(group, [&] {
      prepare(state);
      return true;
    });
    if (group.size() > 1) share_start();
    finite_ = weights_.trained();
    std::erase_if(finite_, [](const auto& entry) { return !broken_weight({entry}).empty(); });
  }

  TrainResult run();

 private:
  // the start
  std::optional<TrainingState> find_state(bool resume);
  void prepare(const std::optional<TrainingState>& state);
  void share_start();
  // the loop
  TrainEnd go_on();
  UpdateResult step();
  void rebuild() { task_->build(weights_.params()); }
  // what happens between updates
  void report(const UpdateResult& result, double seconds);
  void leave_out(const UpdateResult& result);
  [[noreturn]] void give_up(const std::string& what, const char* advice);
  void watch();
  Evaluation measure() const;
  void evaluate();
  void save(bool best);
  bool is_due(int64_t every) const { return every > 0 && step_ % every == 0; }
  void finish();
  // checkpoints
  std::optional<TrainingState> earlier() const;
  void take_up(const TrainingState& state);
  void warn_of_length(int64_t before) const;
  Json identity() const;
  MetricsWriter::Options metric_options() const;

  TrainConfig settings_;
  TrainListener& listener_;
  Group& group_;
  BadRows bad_;
  std::unique_ptr<TrainTask> task_;
  int64_t total_ = 0;
  ScheduleOptions schedule_;
  TrainedWeights weights_;
  NamedTensors finite_;  // at the start: a checkpoint's -inf for a token is no update's fault
  RunFolder folder_;
  Json run_;  // identity() at the start: data that change or go afterwards were read

  std::unique_ptr<ShardedOptimizer> optimizer_;
  std::unique_ptr<Updater> update_;
  std::unique_ptr<MetricsWriter> metrics_;  // of process 0

  int64_t step_ = 0;  // updates made
  RunProgress so_far_;
  std::vector<DataPosition> taken_;  // of the last update's batches
  int64_t saved_step_ = -1;
  bool stopped_elsewhere_ = false;
  double step_seconds_ = 0;  // of all steps of this process
  int64_t own_steps_ = 0;
};

/// Where an earlier run of this folder is: told by the process that writes.
std::optional<TrainingState> Trainer::find_state(bool resume) {
  std::optional<TrainingState> state;
  if (group_.size() > 1) check_same_everywhere(group_, run_, "data, model or settings");
  std::string from = together(group_, [&]() -> std::string {
    if (!group_.is_first()) return "";
    if (resume) state = earlier();
    if (resume && !state) {
      log(LogLevel::warning, fmt::format("resume: {} holds no checkpoint to go on from; the run "
                                         "begins at its first step",
                                         settings_.out));
    }
    folder_.write_model_files(*task_, folder_.path());
    folder_.write_settings(settings_);
    return state ? folder_.checkpoints().path_of(state->step).string() : "";
  });
  from = group_.broadcast_text(from);
  return together(group_, [&] {
    return group_.is_first() || from.empty() ? std::move(state) : load_checkpoint(from);
  });
}

void Trainer::prepare(const std::optional<TrainingState>& state) {
  optimizer_ = std::make_unique<ShardedOptimizer>(optimizer_options(settings_),
                                                  groups_of(settings_, weights_.trained()), group_);
  if (state) take_up(*state);
  update_ = std::make_unique<Updater>(settings_, *task_, weights_, *optimizer_, group_,
                                      [this] { rebuild(); });
  if (group_.is_first()) {
    metrics_ = std::make_unique<MetricsWriter>(folder_.path(), metric_options());
  }
}

/// The bits of process 0: another machine's logarithm may round otherwise.
void Trainer::share_start() {
  NamedTensors all = weights_.store().tensors();
  for (const auto& adapter : weights_.trained()) all.push_back(adapter);
  for (const auto& [name, tensor] : all) {
    const auto bytes = static_cast<size_t>(tensor.numel() * size_of(tensor.dtype()));
    group_.broadcast(std::span(tensor.raw_data(), bytes));
  }
}

UpdateResult Trainer::step() {
  std::vector<TrainBatch> batches;
  taken_.clear();
  for (int64_t i = 0; i < settings_.accumulate; ++i) {
    taken_.push_back(so_far_.at);
    batches.push_back(task_->next(so_far_.at));
  }
  const UpdateResult result = (*update_)(batches, step_, learning_rate(schedule_, step_));
  stopped_elsewhere_ = result.stop;
  ++step_;
  return result;
}

/// Ends the run, in all processes alike.
void Trainer::give_up(const std::string& what, const char* advice) {
  group_.end_in_order();  // all come here
  if (!group_.is_first()) throw OtherProcessFailed();
  const std::string saved = saved_step_ < 0
                                ? "no checkpoint was saved before it"
                                : fmt::format("the last checkpoint is of step {}", saved_step_);
  throw Error(ErrorCode::corrupt_data, fmt::format("train: {}; {}; {}", what, saved, advice));
}

void Trainer::leave_out(const UpdateResult& result) {
  ++so_far_.skipped;
  const DataPosition at = taken_.at(result.faulty);
  const std::string what =
      fmt::format("step {} (batch {} of epoch {}): {}", step_, at.batch, at.epoch, result.fault);
  if (so_far_.skipped > settings_.skip_nan) {
    give_up(what, "lower the learning rate, or --skip-nan N leaves out N such updates");
  }
  listener_.skipped(step_, what);
}

void Trainer::report(const UpdateResult& result, double seconds) {
  Tally& tally = so_far_.tally;
  tally.loss += result.loss;
  tally.norm += result.norm;
  tally.tokens += result.tokens;
  tally.seconds += seconds;
  ++tally.steps;
  if (!is_due(settings_.log_every) && step_ != total_) return;
  const auto steps = static_cast<double>(tally.steps);
  const double each = step_seconds_ / static_cast<double>(std::max(int64_t{1}, own_steps_));
  const TrainStatus status{
      .step = step_,
      .total_steps = total_,
      .loss = tally.loss / steps,
      .learning_rate = learning_rate(schedule_, step_ - 1),
      .gradient_norm = tally.norm / steps,
      .tokens_per_second = static_cast<double>(tally.tokens) / std::max(tally.seconds, 1e-9),
      .seconds_left = each * static_cast<double>(total_ - step_),
      .memory_bytes = resident_bytes()};
  tally = {};
  if (!group_.is_first()) return;
  metrics_->write(step_, {{"loss", status.loss},
                          {"learning_rate", status.learning_rate},
                          {"gradient_norm", status.gradient_norm},
                          {"tokens_per_second", status.tokens_per_second}});
  listener_.progressed(status);
}

void Trainer::watch() {
  if (!group_.is_first()) return;
  if (weights_.computed()) rebuild();
  try {
    listener_.watched(step_, *task_);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::cancelled) throw;  // go_on() stops, and the state is saved
  }
}

/// Every process measures its part of the data; all know the whole.
Evaluation Trainer::measure() const {
  const std::vector<double> mine =
      task_->measure(settings_.eval_batches, {group_.rank(), group_.size()});
  const std::vector<double> all = group_.all_gather(mine);
  std::vector<double> sums(mine.size());
  for (size_t i = 0; i < all.size(); ++i) sums[i % sums.size()] += all[i];
  return task_->evaluation(sums);
}

void Trainer::evaluate() {
  if (weights_.computed()) rebuild();
  const Evaluation result = measure();
  const bool is_number = std::isfinite(result.score) && std::isfinite(result.loss);
  const bool best = is_number && (!so_far_.best || is_better(result, *so_far_.best));
  if (best) {
    so_far_.best_step = step_;
    so_far_.best = result;
  }
  so_far_.worse = best ? 0 : so_far_.worse + 1;
  Metrics numbers{{"valid_loss", result.loss}};
  numbers.insert(numbers.end(), result.more.begin(), result.more.end());
  if (group_.is_first()) metrics_->write(step_, numbers);
  listener_.evaluated(step_, result, best);
  if (best || settings_.save_every == 0) save(best);
}

Json Trainer::identity() const {
  Json run = task_->identity();
  run["settings"] = settings_that_matter(settings_);
  return run;
}

/// Where an earlier process stopped, if it came to its first checkpoint, and was of the same run.
std::optional<TrainingState> Trainer::earlier() const {
  std::optional<TrainingState> state = folder_.checkpoints().load_newest();
  if (!state) return state;
  check_same_run(run_, state->run, folder_.checkpoints().path_of(state->step).string());
  return state;
}

/// A run that was to be so long and is of another length now: rates that fall to its end change.
void Trainer::warn_of_length(int64_t before) const {
  const bool falls =
      schedule_.kind == ScheduleKind::linear || schedule_.kind == ScheduleKind::cosine;
  if (!falls || before == total_) return;
  log(LogLevel::warning,
      fmt::format("train: the run was of {} and is of {} now; from here on the {} schedule "
                  "has the rates of a run of {}, which its first {} did not have",
                  counted(before, "update"), total_, settings_.schedule, total_,
                  counted(step_, "update")));
}

void Trainer::take_up(const TrainingState& state) {
  copy_tensors(state.weights, weights_.kept(), "weights");
  optimizer_->load_state(state.optimizer);
  step_ = saved_step_ = state.step;
  so_far_ = RunProgress::from_json(state.progress);
  warn_of_length(state.progress.value("total_steps", total_));
}

MetricsWriter::Options Trainer::metric_options() const {
  std::vector<std::string> columns{"loss", "learning_rate", "gradient_norm", "tokens_per_second",
                                   "valid_loss"};
  const std::vector<std::string> more = task_->judged_by();
  columns.insert(columns.end(), more.begin(), more.end());
  return {
      .columns = std::move(columns), .resume_step = step_, .tensorboard = settings_.tensorboard};
}

void Trainer::save(bool best) {
  if (saved_step_ == step_ && !best) return;
  // the loss that would tell of an update is the next one's
  if (const std::string broken = broken_weight(finite_); !broken.empty()) {
    give_up(fmt::format("step {}: after its update {}", step_, broken), "lower the learning rate");
  }
  saved_step_ = step_;
  NamedTensors optimizer = optimizer_->state();
  if (!group_.is_first()) return;
  metrics_->sync();
  Json progress = so_far_.to_json();
  progress["total_steps"] = total_;
  const TrainingState state{.step = step_,
                            .weights = weights_.kept(),
                            .optimizer = std::move(optimizer),
                            .progress = std::move(progress),
                            .run = run_};
  const auto path = folder_.checkpoints().save(
      state, best, [&](const auto& folder) { folder_.write_model_files(*task_, folder); });
  listener_.saved(step_, path);
}

/// The result is the best by the validation data where one was kept.
void Trainer::finish() {
  if (!group_.is_first()) return;
  const auto best = folder_.checkpoints().best();
  if (best && so_far_.best_step != step_) {
    copy_tensors(load_checkpoint(*best).weights, weights_.kept(), "weights");
  }
  weights_.write_result(folder_.path());
}

TrainEnd Trainer::go_on() {
  const int64_t usual = std::max(int64_t{1}, total_ / kUsualTimes);
  const int64_t eval_every = settings_.eval_every > 0 ? settings_.eval_every : usual;
  const bool measures = task_->can_evaluate();  // and saves then
  const int64_t save_every = settings_.save_every > 0 || measures ? settings_.save_every : usual;
  const auto given_up = [&] {
    return settings_.patience > 0 && so_far_.worse >= settings_.patience;
  };
  while (step_ < total_ && !given_up()) {
    if (group_.size() == 1 ? cancel_requested() : stopped_elsewhere_) return TrainEnd::interrupted;
    const Stopwatch stepping;
    const UpdateResult result = step();
    const double seconds = stepping.seconds();
    step_seconds_ += seconds;
    ++own_steps_;
    if (result.fault.empty()) {
      report(result, seconds);
    } else {
      leave_out(result);
    }
    const bool last = step_ == total_;
    if (is_due(settings_.watch_every) || (last && settings_.watch_every > 0)) watch();
    if (measures && (step_ % eval_every == 0 || last)) evaluate();
    if (is_due(save_every)) save(false);
  }
  return step_ < total_ ? TrainEnd::stopped_early : TrainEnd::done;
}

TrainResult Trainer::run() {
  listener_.started({.parameters = weights_.numel(),
                     .trained = count_of(weights_.trained()),
                     .total_steps = total_,
                     .first_step = step_,
                     .skipped_rows = bad_.count(),
                     .processes = group_.size()},
                    *task_);
  if (settings_.watch_every > 0 && step_ == 0) watch();
  const TrainEnd end = go_on();
  save(false);
  if (end != TrainEnd::interrupted) finish();
  return {.end = end, .steps = step_, .best = so_far_.best};
}

/// While one lives, freed memory stays: a step asks for what the one before it gave back.
class KeptMemory {
 public:
  KeptMemory() : before_(set_cached_memory_limit(std::numeric_limits<int64_t>::max())) {}
  ~KeptMemory() {
    set_cached_memory_limit(before_);
    release_cached_memory();
  }
  KeptMemory(const KeptMemory&) = delete;
  KeptMemory& operator=(const KeptMemory&) = delete;

 private:
  int64_t before_;
};

}  // namespace

TrainResult train(const TrainConfig& settings, bool resume, TrainListener& listener, Group& group) {
  const KeptMemory kept;
  TrainListener nobody;
  return Trainer(settings, resume, group.is_first() ? listener : nobody, group).run();
}

}  // namespace heed
