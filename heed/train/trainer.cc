#include "heed/train/trainer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <limits>

#include "heed/autograd/tape.h"
#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/ops/precision.h"
#include "heed/tensor/storage.h"
#include "heed/train/checkpoint.h"
#include "heed/train/fault.h"
#include "heed/train/optimizer.h"
#include "heed/train/run_folder.h"
#include "heed/train/schedule.h"
#include "heed/train/weights.h"

namespace heed {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kUsualEvaluations = 10;  // of a run, where eval_every does not say

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
  return std::max(int64_t{1}, static_cast<int64_t>(std::llround(updates)));
}

/// By the score; between equals by the loss.
bool is_better(const Evaluation& a, const Evaluation& b) {
  return a.score > b.score || (a.score == b.score && a.loss < b.loss);
}

/// The settings; refuses a schedule that cannot be served before anything is written.
const TrainConfig& checked(const ScheduleOptions& schedule, const TrainConfig& settings) {
  learning_rate(schedule, 0);
  return settings;
}

int64_t model_width(const Json& config) {
  for (const char* name : {"d_model", "n_embd", "hidden_size"}) {
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

/// Sums between two reports.
struct Tally {
  double loss = 0;
  double norm = 0;
  int64_t steps = 0;
  int64_t tokens = 0;
  double seconds = 0;
};

/// What a step found.
struct StepResult {
  double loss = 0;
  double norm = 0;
  int64_t tokens = 0;
  std::string fault;  // empty: all numbers are finite
};

class Trainer {
 public:
  Trainer(const TrainConfig& settings, bool resume, TrainListener& listener)
      : settings_(settings),
        listener_(listener),
        bad_(settings.skip_bad),
        task_(make_task(settings, bad_)),
        total_(steps_of(settings, task_->batches_per_epoch())),
        schedule_(schedule_options(settings, total_, model_width(task_->start().config))),
        folder_(checked(schedule_, settings), resume),
        weights_(settings, task_->start(), task_->init_rule()) {
    const std::optional<TrainingState> state = resume ? earlier() : std::nullopt;
    folder_.write_model_files(*task_, folder_.path());
    folder_.write_settings(settings);
    rebuild();
    weights_.check();
    optimizer_ =
        make_optimizer(optimizer_options(settings), groups_of(settings, weights_.trained()));
    if (state) take_up(*state);
    metrics_ = std::make_unique<MetricsWriter>(folder_.path(), metric_options());
  }

  TrainResult run();

 private:
  TrainEnd go_on();
  // one update
  StepResult step();
  void backward_all(const std::vector<TrainBatch>& batches, StepResult& result);
  std::string fault_in(const TrainBatch& batch, int64_t micro) const;
  Training training_of(int64_t micro) const;
  void rebuild() { task_->build(folder_.config_json(), weights_.params()); }
  // what happens between updates
  void report(const StepResult& result, double seconds);
  void leave_out(const StepResult& result);
  void watch();
  void evaluate();
  void save(bool best);
  bool is_due(int64_t every) const { return every > 0 && step_ % every == 0; }
  void finish();
  // checkpoints
  std::optional<TrainingState> earlier() const;
  void take_up(const TrainingState& state);
  Json identity() const;
  Json progress() const;
  MetricsWriter::Options metric_options() const;

  TrainConfig settings_;
  TrainListener& listener_;
  BadRows bad_;
  std::unique_ptr<TrainTask> task_;
  int64_t total_ = 0;
  ScheduleOptions schedule_;
  RunFolder folder_;

  TrainedWeights weights_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<MetricsWriter> metrics_;

  int64_t step_ = 0;  // updates made
  DataPosition at_;
  int64_t best_step_ = -1;
  int64_t worse_ = 0;    // evaluations since the best
  int64_t skipped_ = 0;  // updates left out
  int64_t saved_step_ = -1;
  std::optional<Evaluation> best_;
  Tally tally_;
  double step_seconds_ = 0;  // of all steps of this process
  int64_t own_steps_ = 0;
};

/// The random numbers of a batch depend on the run's seed and the step alone.
Training Trainer::training_of(int64_t micro) const {
  const uint64_t of_step = derived_seed(settings_.seed, static_cast<uint64_t>(step_));
  return {.rates = dropout_rates_of(task_->start().config),
          .seed = derived_seed(of_step, static_cast<uint64_t>(micro)),
          .recompute = settings_.recompute};
}

/// Gradients of the mean over all targets of all batches, whatever batch they are in.
void Trainer::backward_all(const std::vector<TrainBatch>& batches, StepResult& result) {
  const ComputePrecision rounded(settings_.precision == "bf16" ? Precision::bf16 : Precision::f32);
  int64_t targets = 0;
  for (const TrainBatch& batch : batches) targets += batch.count;
  for (size_t i = 0; i < batches.size(); ++i) {
    const TrainBatch& batch = batches[i];
    result.tokens += batch.tokens;
    if (batch.count == 0) continue;
    const auto micro = static_cast<int64_t>(i);
    const double share = static_cast<double>(batch.count) / static_cast<double>(targets);
    Training training = training_of(micro);
    const Tensor loss = task_->loss(batch, {.training = &training});
    const auto value = static_cast<double>(*loss.data<float>());
    result.loss += share * value;
    if (!std::isfinite(value)) {
      result.fault = fault_in(batch, micro);
      return;
    }
    backward(loss, Tensor::full({1}, static_cast<float>(share)).reshape(loss.shape()));
  }
  result.norm = optimizer_->gradient_norm();
  if (!std::isfinite(result.norm)) result.fault = fault_in(batches.back(), 0);
}

std::string Trainer::fault_in(const TrainBatch& batch, int64_t micro) const {
  Training training = training_of(micro);
  return first_fault(*task_, batch, {.training = &training}, weights_.store());
}

StepResult Trainer::step() {
  StepResult result;
  std::vector<TrainBatch> batches;
  for (int64_t i = 0; i < settings_.accumulate; ++i) batches.push_back(task_->next(at_));
  if (weights_.computed()) rebuild();
  backward_all(batches, result);
  if (result.fault.empty()) {
    const double factor = settings_.clip > 0 ? clip_factor(result.norm, settings_.clip) : 1;
    optimizer_->step(learning_rate(schedule_, step_), factor);
  }
  weights_.clear_gradients();
  ++step_;
  return result;
}

void Trainer::leave_out(const StepResult& result) {
  ++skipped_;
  const std::string what =
      fmt::format("step {} (batch {} of epoch {}): {}", step_, at_.batch, at_.epoch, result.fault);
  if (skipped_ > settings_.skip_nan) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("train: {}; the last checkpoint is before it; lower the learning rate, "
                            "or --skip-nan N leaves out N such updates",
                            what));
  }
  listener_.skipped(step_, what);
}

void Trainer::report(const StepResult& result, double seconds) {
  tally_.loss += result.loss;
  tally_.norm += result.norm;
  tally_.tokens += result.tokens;
  tally_.seconds += seconds;
  ++tally_.steps;
  if (!is_due(settings_.log_every) && step_ != total_) return;
  const auto steps = static_cast<double>(tally_.steps);
  const double each = step_seconds_ / static_cast<double>(std::max(int64_t{1}, own_steps_));
  const TrainStatus status{
      .step = step_,
      .total_steps = total_,
      .loss = tally_.loss / steps,
      .learning_rate = learning_rate(schedule_, step_ - 1),
      .gradient_norm = tally_.norm / steps,
      .tokens_per_second = static_cast<double>(tally_.tokens) / std::max(tally_.seconds, 1e-9),
      .seconds_left = each * static_cast<double>(total_ - step_),
      .memory_bytes = resident_bytes()};
  tally_ = {};
  metrics_->write(step_, {{"loss", status.loss},
                          {"learning_rate", status.learning_rate},
                          {"gradient_norm", status.gradient_norm},
                          {"tokens_per_second", status.tokens_per_second}});
  listener_.progressed(status);
}

void Trainer::watch() {
  if (weights_.computed()) rebuild();
  listener_.watched(step_, *task_);
}

void Trainer::evaluate() {
  if (weights_.computed()) rebuild();
  const Evaluation result = task_->evaluate(settings_.eval_batches);
  const bool best = std::isfinite(result.score) && (!best_ || is_better(result, *best_));
  if (best) {
    best_step_ = step_;
    best_ = result;
  }
  worse_ = best ? 0 : worse_ + 1;
  Metrics numbers{{"valid_loss", result.loss}};
  numbers.insert(numbers.end(), result.more.begin(), result.more.end());
  metrics_->write(step_, numbers);
  listener_.evaluated(step_, result, best);
  if (best || settings_.save_every == 0) save(best);
}

Json Trainer::identity() const {
  Json run = task_->identity();
  run["settings"] = settings_that_matter(settings_);
  return run;
}

Json Trainer::progress() const {
  Json all = {{"epoch", at_.epoch}, {"batch", at_.batch}, {"worse", worse_}, {"skipped", skipped_}};
  if (best_) {
    all["best"] = {{"step", best_step_},
                   {"score", best_->score},
                   {"loss", best_->loss},
                   {"more", best_->more}};
  }
  return all;
}

/// Where an earlier process stopped, if it came to its first checkpoint, and was of the same run.
std::optional<TrainingState> Trainer::earlier() const {
  std::optional<TrainingState> state = folder_.checkpoints().load_newest();
  if (!state) return state;
  check_same_run(identity(), state->run, folder_.checkpoints().path_of(state->step).string());
  return state;
}

void Trainer::take_up(const TrainingState& state) {
  copy_tensors(state.weights, weights_.kept(), "weights");
  optimizer_->load_state(state.optimizer);
  const Json& progress = state.progress;
  step_ = saved_step_ = state.step;

  at_ = {progress.at("epoch").get<int64_t>(), progress.at("batch").get<int64_t>()};
  worse_ = progress.at("worse").get<int64_t>();
  skipped_ = progress.at("skipped").get<int64_t>();
  if (!progress.contains("best")) return;
  const Json& best = progress["best"];
  best_step_ = best.at("step").get<int64_t>();
  best_ = Evaluation{.loss = best.at("loss").get<double>(),
                     .more = best.at("more").get<Metrics>(),
                     .score = best.at("score").get<double>()};
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
  metrics_->sync();
  const TrainingState state{.step = step_,
                            .weights = weights_.kept(),
                            .optimizer = optimizer_->state(),
                            .progress = progress(),
                            .run = identity()};
  const auto path = folder_.checkpoints().save(
      state, best, [&](const auto& folder) { folder_.write_model_files(*task_, folder); });
  saved_step_ = step_;
  listener_.saved(step_, path);
}

/// The result is the best by the validation data where one was kept.
void Trainer::finish() {
  const auto best = folder_.checkpoints().best();
  if (best && best_step_ != step_) {
    copy_tensors(load_checkpoint(*best).weights, weights_.kept(), "weights");
  }
  weights_.write_result(folder_.path());
}

TrainEnd Trainer::go_on() {
  const int64_t eval_every = settings_.eval_every > 0
                                 ? settings_.eval_every
                                 : std::max(int64_t{1}, total_ / kUsualEvaluations);
  const auto given_up = [&] { return settings_.patience > 0 && worse_ >= settings_.patience; };
  while (step_ < total_ && !given_up()) {
    if (cancel_requested()) return TrainEnd::interrupted;
    const auto start = Clock::now();
    const StepResult result = step();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    step_seconds_ += seconds;
    ++own_steps_;
    if (!result.fault.empty()) {
      leave_out(result);
      continue;
    }
    report(result, seconds);
    const bool last = step_ == total_;
    if (is_due(settings_.watch_every) || (last && settings_.watch_every > 0)) watch();
    if (task_->can_evaluate() && (step_ % eval_every == 0 || last)) evaluate();
    if (is_due(settings_.save_every)) save(false);
  }
  return step_ < total_ ? TrainEnd::stopped_early : TrainEnd::done;
}

TrainResult Trainer::run() {
  listener_.started({.parameters = weights_.numel(),
                     .trained = count_of(weights_.trained()),
                     .total_steps = total_,
                     .first_step = step_,
                     .skipped_rows = bad_.count()},
                    *task_);
  if (settings_.watch_every > 0 && step_ == 0) watch();
  const TrainEnd end = go_on();
  save(false);
  if (end != TrainEnd::interrupted) finish();
  return {.end = end, .steps = step_, .best = best_};
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

TrainResult train(const TrainConfig& settings, bool resume, TrainListener& listener) {
  const KeptMemory kept;
  return Trainer(settings, resume, listener).run();
}

}  // namespace heed
