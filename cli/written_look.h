#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "heed/models/causal.h"
#include "heed/text/tokenizer.h"

namespace heed::cli {

struct Context;

/// A text that a model wrote, to be looked at.
struct WrittenText {
  const CausalModel& model;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::vector<int32_t> ids;  // the prompt's and the new tokens
  int64_t written = 0;       // new tokens
};

/// Runs the model on the text once more and saves where each of its heads looked as it wrote: .json
/// tells of every new token, every other ending is a picture as `heed look --save` makes it. Errors
/// as look() and save_picture(); invalid_argument where nothing was written.
void save_written_look(const WrittenText& text, const std::string& file, const Context& context);

}  // namespace heed::cli
