#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/progress.h"
#include "heed/tasks/notes.h"
#include "heed/text/tokenizer.h"

namespace heed {

class EncoderHead;

/// A token for a masked place, and the text with it.
struct Filling {
  float score = 0;  // softmax's over the vocabulary
  int32_t token = 0;
  std::string token_text;
  std::string sequence;  // special tokens left out, but of several masks the others
};

struct FillOptions {
  int64_t top_k = 5;                 // of each mask
  std::vector<std::string> targets;  // rank these alone, if any; a text of several pieces stands
                                     // for its first one, which the log is told
  int64_t batch = 32;                // texts computed at once
  Progress progress = {};            // in texts
  RunNotes* notes = nullptr;         // of several calls; without it each tells the log by itself
};

/// The words that a masked language model puts in the places of its mask ("[MASK]", "<mask>"):
/// tokenizer and a model of transformers' ...ForMaskedLM kind, as FillMaskPipeline has it. Safe to
/// call from many threads.
class MaskFiller {
 public:
  /// A name in the hub's cache or a folder. Errors not_found, corrupt_data, unsupported (a
  /// tokenizer without a mask).
  static MaskFiller load(std::string_view name_or_path);

  /// Of each text, of each mask in it, the likeliest tokens first. Errors invalid_argument for a
  /// text without a mask among the tokens that the model reads, or a target that is no token;
  /// cancelled between batches.
  std::vector<std::vector<std::vector<Filling>>> operator()(std::span<const std::string> texts,
                                                            const FillOptions& options = {}) const;

  /// The mask as a text has it.
  const std::string& mask() const { return tokenizer_->token_of(mask_); }

 private:
  std::vector<int32_t> target_ids(const FillOptions& options) const;
  std::vector<Filling> best_of(std::span<const float> logits, const std::vector<int32_t>& targets,
                               int64_t top_k) const;
  void write_sequences(const Encoding& encoding, size_t place, bool single,
                       std::vector<Filling>& fillings) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const EncoderHead> model_;
  int32_t mask_ = 0;
};

}  // namespace heed
