#pragma once

#include <string>

#include "heed/lens/look.h"
#include "heed/train/config.h"
#include "heed/train/task.h"

namespace heed::cli {

/// Where a model looks in a text, by words, as `heed look` shows it; cut to what the model reads.
Look watched_look(const Encoder& model, const Tokenizer& tokenizer, const std::string& text);

/// What is looked at while a model trains: the sentence, or the pair, of the settings; without one
/// the training data's first words.
class TrainProbe {
 public:
  TrainProbe(const TrainConfig& settings, const TrainTask& task)
      : settings_(settings), task_(task) {}

  /// Of the stack that is watched.
  EncoderFacts facts() const;
  Look look() const;
  /// Which attention of an encoder-decoder that is: "cross-attention"; else empty.
  std::string attention() const;

 private:
  const TrainConfig& settings_;
  const TrainTask& task_;
};

}  // namespace heed::cli
