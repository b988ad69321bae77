#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "heed/models/encoder_decoder.h"
#include "heed/text/tokenizer.h"
#include "heed/train/data_pairs.h"

namespace heed {

/// A source and a target as an encoder-decoder trains on them.
struct EncodedPair {
  std::string source;                          // with what sources begin with
  int64_t prefix_bytes = 0;                    // of it: settings.source_prefix
  Encoding encoding;                           // of it, its end among the tokens
  std::vector<int32_t> target;                 // with its end
  int32_t start = 0;                           // what the decoder reads before them
  std::shared_ptr<const Tokenizer> tokenizer;  // of what the target's ids say
};

/// What a task is looked into with that makes texts from texts.
class PairTask {
 public:
  virtual ~PairTask() = default;

  virtual const EncoderDecoder& model() const = 0;
  /// Cut as rows of the data are.
  virtual EncodedPair encoded(const std::string& source, const std::string& target) const = 0;
  /// The training data's first pair: the first tokens of both, at most so many.
  virtual TextPair sample_pair(int64_t most_tokens) const = 0;
};

}  // namespace heed
