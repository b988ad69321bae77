#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "heed/lens/diverge.h"
#include "heed/lens/look.h"
#include "heed/lens/picture.h"
#include "heed/models/encoder.h"
#include "heed/train/config.h"
#include "heed/train/task.h"

namespace heed::cli {

/// Heat maps of chosen heads on one sentence while a model trains: OUT/watch/step-N.png, with its
/// numbers in step-N.json, and in the end OUT/watch/film.png with a row a head and a column a
/// moment. The film is made of those files, so that of a resumed run shows all of it.
class TrainWatch {
 public:
  explicit TrainWatch(const TrainConfig& settings);

  /// To be called before the first look of a run that goes on after first_step: what the folder has
  /// of later moments goes. Error invalid_argument for a head that the model does not have.
  void begin(int64_t first_step, const TrainTask& task);
  void look(int64_t step, const TrainTask& task);
  void save_film() const;

 private:
  std::filesystem::path folder() const { return std::filesystem::path(settings_.out) / "watch"; }
  void choose_heads(const EncoderFacts& facts);
  std::string title_of(const HeadPlace& head) const;
  HeatMap map_of(const Look& seen, const HeadPlace& head) const;

  const TrainConfig& settings_;
  std::vector<HeadPlace> heads_;
  std::string attention_;  // of an encoder-decoder: which
};

}  // namespace heed::cli
