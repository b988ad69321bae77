// Text from text by an encoder-decoder (translate, seq2seq): the target's next token, given the
// source and what stands before it.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/models/registry.h"
#include "heed/ops/cross_entropy.h"
#include "heed/text/sentence_piece.h"
#include "heed/train/data_pairs.h"
#include "heed/train/lost_text.h"
#include "heed/train/row_task.h"

namespace heed {
namespace {

/// The id of the first name that the tokenizer has.
int32_t special_id(const Tokenizer& tokenizer, std::initializer_list<const char*> names,
                   const char* what) {
  for (const char* name : names) {
    if (const auto id = tokenizer.id_of(name)) return *id;
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("train translate: the tokenizer has no token that {} a text ({})", what,
                          *names.begin()));
}

/// The ids around a text.
struct Ends {
  int32_t begin;  // what a target is written after
  int32_t end;
};

/// Models that Heed alone has read texts without the tokenizer's template.
bool is_ours(const Json& config) {
  const std::string type = config.value("model_type", std::string());
  return type == "transformer2017" || type == "recurrent";
}

bool has_template(const Tokenizer& tokenizer) {
  return tokenizer.encode("a").ids != tokenizer.encode("a", {.add_special = false}).ids;
}

Ends ends_of(const Json& config, const Tokenizer& tokenizer) {
  const auto given = [&](const char* field) {
    const auto found = config.find(field);
    return found != config.end() && found->is_number_integer() ? found->get<int32_t>() : -1;
  };
  Ends ends{given("bos_token_id"), given("eos_token_id")};
  if (given("decoder_start_token_id") >= 0) ends.begin = given("decoder_start_token_id");
  if (ends.begin < 0) {
    ends.begin = special_id(tokenizer, {"<s>", "[BOS]", "<|endoftext|>", "[CLS]"}, "begins");
  }
  if (ends.end < 0) {
    ends.end = special_id(tokenizer, {"</s>", "[EOS]", "<|endoftext|>", "[SEP]"}, "ends");
  }
  return ends;
}

/// The text that its first so many tokens stand for.
std::string beginning_of(const Tokenizer& tokenizer, const std::string& text, int64_t most_tokens) {
  const Encoding first = tokenizer.encode(text, {.add_special = false, .max_tokens = most_tokens});
  if (!first.truncated || first.byte_offsets.empty()) return text;
  return text.substr(0, static_cast<size_t>(first.byte_offsets.back().end));
}

class TranslateTask : public RowTask, public PairTask {
 public:
  TranslateTask(const TrainConfig& settings, BadRows& bad) : RowTask(settings) {
    if (settings.task == "seq2seq" && settings.model.empty()) {
      throw Error(ErrorCode::invalid_argument,
                  "train seq2seq: needed an encoder-decoder to start from; --model names its "
                  "folder (train translate makes a new one)");
    }
    const PairFields fields{.source = settings.source_column, .target = settings.target_column};
    std::vector<TextPair> train = read_pairs(settings.data, fields, bad);
    check_rows(train.size(), bad);
    use(TaskTokenizer::choose(settings,
                              {.kind = TokenizerKind::bpe, .special = {{"<pad>", "<s>", "</s>"}}},
                              [&](TokenizerTrainer& trainer) {
                                for (const TextPair& pair : train) {
                                  trainer.add(pair.source);
                                  trainer.add(pair.target);
                                }
                              }));
    ModelStart model = start_translator(settings, tokenizer());
    ends_ = ends_of(model.config, tokenizer());
    template_ = !is_ours(model.config) && has_template(tokenizer());
    begins_with_its_end_ = model.config.value("model_type", std::string()) == "mbart";
    if (is_ours(model.config)) model.config["bos_token_id"] = ends_.begin;
    model.config["eos_token_id"] = ends_.end;
    if (!begins_with_its_end_) model.config["decoder_start_token_id"] = ends_.begin;
    if (model.from_checkpoint() && settings.tokenizer.empty()) {
      target_tokenizer_ = target_tokenizer_in(model.folder);
    }
    begin_from(std::move(model));
    const std::vector<TextPair> valid = validation_rows(
        train, [&](const std::string& file) { return read_pairs(file, fields, bad); });
    set_rows(rows_of(train, settings.data), rows_of(valid, valid_file()));
    first_ = train.front();
  }

  void build(const Params& params) override {
    model_ = make_encoder_decoder(model_config(), params);
  }

  Tensor loss(const TrainBatch& batch, const Run& run) const override {
    return loss_of(batch, run, static_cast<float>(settings().label_smoothing));
  }

  std::vector<double> measure(int64_t most_batches, ProcessPart part) const override {
    const NoGrad off;
    double sum = 0, count = 0;
    for (const auto& chosen : valid_batches(most_batches, part)) {
      const TrainBatch batch = batch_of(valid(), chosen, 0);
      sum += static_cast<double>(*loss_of(batch, {}, 0).data<float>()) *
             static_cast<double>(batch.count);
      count += static_cast<double>(batch.count);
    }
    return {sum, count};
  }
  Evaluation evaluation(const std::vector<double>& sums) const override {
    const double mean = sums[0] / sums[1];
    return {.loss = mean, .more = {{"perplexity", std::exp(mean)}}, .score = -mean};
  }
  std::vector<std::string> judged_by() const override { return {"perplexity"}; }

  const PairTask* pairs() const override { return this; }
  const EncoderDecoder& model() const override { return *model_; }

  EncodedPair encoded(const std::string& source, const std::string& target) const override {
    LostText lost;
    EncodedPair pair{.source = settings().source_prefix + source,
                     .prefix_bytes = std::ssize(settings().source_prefix),
                     .encoding = {},
                     .target = encode_one(target_tokenizer(), target, longest(), lost),
                     .start = 0,
                     .tokenizer = shared_tokenizer()};
    pair.encoding = cut(tokenizer(), pair.source, longest());
    if (!template_) add_special(pair.encoding, ends_.end, tokenizer());
    pair.start = start_of(pair.target);
    return pair;
  }

  TextPair sample_pair(int64_t most_tokens) const override {
    return {.source = beginning_of(tokenizer(), first_.source, most_tokens),
            .target = beginning_of(target_tokenizer(), first_.target, most_tokens),
            .line = first_.line};
  }

 protected:
  TrainBatch batch_of(const TokenRows& rows, const std::vector<int64_t>& chosen,
                      int64_t /*epoch*/) const override {
    TrainBatch batch;
    batch.input = EncoderInput::from_rows(chosen_rows(rows.ids, chosen));
    const auto targets = chosen_rows(rows.targets, chosen);
    const size_t longest = std::ranges::max(targets, {}, &std::vector<int32_t>::size).size();
    const Shape shape{static_cast<int64_t>(chosen.size()), static_cast<int64_t>(longest)};
    batch.decoder_ids = Tensor::zeros(shape, DType::i32);
    batch.targets = Tensor::empty(shape, DType::i32);
    std::ranges::fill(batch.targets.span<int32_t>(), kNoTarget);
    int32_t* before = batch.decoder_ids.data<int32_t>();
    int32_t* after = batch.targets.data<int32_t>();
    for (const auto& target : targets) {
      *before = start_of(target);
      std::copy(target.begin(), target.end() - 1, before + 1);
      std::ranges::copy(target, after);
      batch.count += std::ssize(target);
      before += longest;
      after += longest;
    }
    batch.tokens = batch.count;
    for (const int64_t length : batch.input.lengths) batch.tokens += length;
    return batch;
  }

 private:
  Tensor loss_of(const TrainBatch& batch, const Run& run, float smoothing) const {
    const Memory memory = model_->encode(batch.input, run);
    return cross_entropy(model_->decode(batch.decoder_ids, memory, run), model_->output_weight(),
                         model_->output_bias(), batch.targets, {.label_smoothing = smoothing});
  }

  const Tokenizer& target_tokenizer() const {
    return target_tokenizer_ ? *target_tokenizer_ : tokenizer();
  }
  int64_t longest() const {
    return longest_row(settings(), start().config, "max_position_embeddings");
  }
  /// What the decoder reads before a target.
  int32_t start_of(const std::vector<int32_t>& target) const {
    return begins_with_its_end_ && !target.empty() ? target.back() : ends_.begin;
  }

  /// A text at most so long with its end, which is there where the tokenizer's template has it.
  Encoding cut(const Tokenizer& tokenizer, const std::string& text, int64_t most) const {
    return tokenizer.encode(text,
                            {.add_special = template_, .max_tokens = most - (template_ ? 0 : 1)});
  }

  /// A text's ids, the end among them, at most so many.
  std::vector<int32_t> encode_one(const Tokenizer& tokenizer, const std::string& text, int64_t most,
                                  LostText& lost) const {
    Encoding encoding = cut(tokenizer, text, most);
    lost.add(lost_text(text, encoding, tokenizer));
    if (!template_) encoding.ids.push_back(ends_.end);
    return std::move(encoding.ids);
  }

  TokenRows rows_of(const std::vector<TextPair>& pairs, const std::string& where) const {
    const int64_t most = longest();
    TokenRows rows;
    rows.ids.resize(pairs.size());
    rows.targets.resize(pairs.size());
    std::vector<LostText> lost(pairs.size());
    parallel_for(static_cast<int64_t>(pairs.size()), [&](int64_t task, int) {
      const auto i = static_cast<size_t>(task);
      rows.ids[i] =
          encode_one(tokenizer(), settings().source_prefix + pairs[i].source, most, lost[i]);
      rows.targets[i] = encode_one(target_tokenizer(), pairs[i].target, most, lost[i]);
    });
    LostText all;
    int64_t line = 0;
    for (size_t i = 0; i < pairs.size(); ++i) {
      if (all.count == 0) line = pairs[i].line;
      all.add(lost[i]);
    }
    warn_of(all, where, line);
    return rows;
  }

  Ends ends_{};
  TextPair first_;                                     // of the training data
  std::shared_ptr<const Tokenizer> target_tokenizer_;  // a Marian's; null: one for both sides
  bool template_ = false;             // texts are encoded as the tokenizer's template has them
  bool begins_with_its_end_ = false;  // the decoder reads a target's last token first (mBART)
  std::shared_ptr<const EncoderDecoder> model_;
};

}  // namespace

std::unique_ptr<TrainTask> make_translate_task(const TrainConfig& settings, BadRows& bad) {
  return std::make_unique<TranslateTask>(settings, bad);
}

}  // namespace heed
