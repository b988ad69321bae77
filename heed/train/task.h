#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "heed/io/json.h"
#include "heed/models/encoder.h"
#include "heed/nn/parameter_store.h"
#include "heed/ops/cross_entropy.h"
#include "heed/text/tokenizer.h"
#include "heed/train/bad_rows.h"
#include "heed/train/config.h"
#include "heed/train/data_order.h"
#include "heed/train/metrics.h"
#include "heed/train/model_start.h"
#include "heed/train/pair_task.h"

namespace heed {

/// A batch of any task.
struct TrainBatch {
  EncoderInput input;  // what the model reads
  Tensor decoder_ids;  // [B, T] i32, what an encoder-decoder has written so far
  Tensor targets;      // [B, T] or [B] i32
  int64_t count = 0;   // targets there are
  int64_t tokens = 0;  // real tokens that the model reads
};

/// Of several processes, the one that asks.
struct ProcessPart {
  int rank = 0;
  int size = 1;
};

/// How good a model is on the validation data.
struct Evaluation {
  double loss = 0;   // mean over the targets
  Metrics more;      // {"accuracy", 0.9} and so on
  double score = 0;  // what the best checkpoint and early stopping go by: more is better
};

/// What `heed train` trains: data, a model with a loss, and how its result is judged. Batches
/// depend on the seed and the position alone.
class TrainTask {
 public:
  virtual ~TrainTask() = default;

  /// Makes the model from weights: once, or anew at each step where adapters change them.
  virtual void build(const Params& params) = 0;
  /// How weights start that no checkpoint gives.
  virtual InitRule init_rule() const = 0;
  /// What the model begins from, and config.json of the result.
  virtual const ModelStart& start() const = 0;

  /// The batch at `at`, which moves on.
  virtual TrainBatch next(DataPosition& at) = 0;
  /// Batches of an epoch, for runs that count epochs.
  virtual int64_t batches_per_epoch() = 0;
  /// The mean loss over the batch's targets: one element, recorded unless recording is off.
  virtual Tensor loss(const TrainBatch& batch, const Run& run) const = 0;
  virtual bool can_evaluate() const = 0;
  /// The names in Evaluation::more.
  virtual std::vector<std::string> judged_by() const = 0;
  /// Sums over the validation data, most_batches of it, 0: all: what evaluation() takes. Each of
  /// several processes gets the sums over its part of the batches, to be added up.
  virtual std::vector<double> measure(int64_t most_batches, ProcessPart part) const = 0;
  virtual Evaluation evaluation(const std::vector<double>& sums) const = 0;

  /// What is looked into while it trains: a model that reads one text, or one that makes texts from
  /// texts; the other is null.
  virtual const Encoder* encoder() const { return nullptr; }
  virtual const PairTask* pairs() const { return nullptr; }
  virtual const Tokenizer& tokenizer() const = 0;
  /// The training data's first words, at most so many tokens.
  virtual std::string sample_text(int64_t most_tokens) const = 0;
  /// What a result has beside config.json and weights: the tokenizer's files, and the checkpoint's
  /// of conversations and of how texts are written.
  virtual void write_text_files(const std::filesystem::path& folder) const = 0;
  /// What a resumed run must find unchanged: data and where the model came from.
  virtual Json identity() const = 0;
};

/// The task that settings.task names, with its data read. Errors as the readers and models have
/// them; invalid_argument for settings that contradict each other.
std::unique_ptr<TrainTask> make_task(const TrainConfig& settings, BadRows& bad);

}  // namespace heed
