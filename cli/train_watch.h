#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "heed/lens/look.h"
#include "heed/lens/picture.h"
#include "heed/train/trainer.h"

namespace heed::cli {

/// Where a model looks in a text, by words, as `heed look` shows it; cut to what the model reads.
Look watched_look(const Encoder& model, const Tokenizer& tokenizer, const std::string& text);

/// Heat maps of chosen heads on one sentence while a model trains: OUT/watch/step-N.png, and in the
/// end OUT/watch/film.png with a row a head and a column a moment.
class TrainWatch {
 public:
  explicit TrainWatch(const TrainConfig& settings);

  /// Error invalid_argument for a task whose model cannot be looked into or a head it does not
  /// have.
  void look(int64_t step, const TrainTask& task);
  void save_film() const;

 private:
  struct Head {
    int64_t layer;
    int64_t head;
  };
  struct Frame {
    int64_t step;
    std::vector<HeatMap> maps;  // of each head
  };
  void choose_heads(const Encoder& model);
  HeatMap titled(HeatMap map, const Head& head) const;

  const TrainConfig& settings_;
  std::vector<Head> heads_;
  std::vector<Frame> frames_;
};

}  // namespace heed::cli
