#include "heed/train/run_progress.h"

#include <limits>
#include <string>

namespace heed {
namespace {

Json to_json_of(const Tally& tally) {
  return {tally.loss, tally.norm, tally.steps, tally.tokens, tally.seconds};
}

Tally tally_of(const Json& kept) {
  return {.loss = kept.at(0).get<double>(),
          .norm = kept.at(1).get<double>(),
          .steps = kept.at(2).get<int64_t>(),
          .tokens = kept.at(3).get<int64_t>(),
          .seconds = kept.at(4).get<double>()};
}

/// As to_json() has them: null is a perplexity beyond the largest number.
Metrics metrics_of(const Json& pairs) {
  Metrics metrics;
  for (const Json& pair : pairs) {
    const Json& value = pair.at(1);
    metrics.emplace_back(
        pair.at(0).get<std::string>(),
        value.is_null() ? std::numeric_limits<double>::infinity() : value.get<double>());
  }
  return metrics;
}

}  // namespace

Json RunProgress::to_json() const {
  Json all = {{"epoch", at.epoch},
              {"batch", at.batch},
              {"worse", worse},
              {"skipped", skipped},
              {"tally", to_json_of(tally)}};
  if (best) {
    all["best"] = {
        {"step", best_step}, {"score", best->score}, {"loss", best->loss}, {"more", best->more}};
  }
  return all;
}

RunProgress RunProgress::from_json(const Json& progress) {
  RunProgress read{.at = {progress.at("epoch").get<int64_t>(), progress.at("batch").get<int64_t>()},
                   .skipped = progress.at("skipped").get<int64_t>(),
                   .worse = progress.at("worse").get<int64_t>()};
  if (const auto tally = progress.find("tally"); tally != progress.end()) {
    read.tally = tally_of(*tally);
  }
  if (!progress.contains("best")) return read;
  const Json& best = progress["best"];
  if (best.at("loss").is_null()) return read;  // once kept although it was no number
  read.best_step = best.at("step").get<int64_t>();
  read.best = Evaluation{.loss = best.at("loss").get<double>(),
                         .more = metrics_of(best.at("more")),
                         .score = best.at("score").get<double>()};
  return read;
}

}  // namespace heed
