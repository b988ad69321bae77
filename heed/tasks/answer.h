#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/progress.h"
#include "heed/text/tokenizer.h"

namespace heed {

class EncoderHead;

/// A part of a text that answers a question.
struct FoundAnswer {
  float score = 0;  // softmax's of its start times softmax's of its end; summed where it was found
                    // more than once
  Span chars;       // where it stands in the context, in characters
  Span bytes;
  std::string text;  // empty: the context has no answer
};

/// By the names of transformers' QuestionAnsweringPipeline.
struct AnswerOptions {
  int64_t top_k = 1;
  int64_t max_answer_tokens = 15;          // max_answer_len
  std::optional<int64_t> max_tokens = {};  // max_seq_len: of a window, question included; absent:
                                           // what the model reads, 384 at most
  std::optional<int64_t> stride = {};      // doc_stride: tokens that windows share; absent: half
                                           // of max_tokens, 128 at most
  bool handle_impossible_answer = false;   // "no answer" is one too
  bool align_to_words = true;              // answers are whole words
  int64_t batch = 32;                      // windows computed at once
  Progress progress = {};                  // in windows
};

/// Answers that stand in a text: tokenizer and a model of transformers' ...ForQuestionAnswering
/// kind. A long context is read in windows. Safe to call from many threads.
class Answerer {
 public:
  /// A name in the hub's cache or a folder. Errors not_found, corrupt_data, unsupported.
  static Answerer load(std::string_view name_or_path);

  /// The best answers first; none if the context has no word. Errors invalid_argument for a
  /// question that leaves no room in a window; cancelled between batches.
  std::vector<FoundAnswer> operator()(std::string_view question, std::string_view context,
                                      const AnswerOptions& options = {}) const;

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const EncoderHead> model_;
  std::optional<int32_t> first_id_;  // of [CLS], which stands for "no answer"
};

}  // namespace heed
