#include "heed/tasks/forward.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/models/causal.h"
#include "heed/models/heads.h"
#include "heed/tasks/forward_arrays.h"

namespace heed {
namespace {

constexpr std::array<std::string_view, 5> kOfEncoders = {"last_hidden_state", "hidden_states",
                                                         "attentions", "pooler_output", "logits"};
constexpr std::array<std::string_view, 11> kOfOthers = {"start_logits",
                                                        "end_logits",
                                                        "prediction_logits",
                                                        "seq_relationship_logits",
                                                        "sop_logits",
                                                        "encoder_last_hidden_state",
                                                        "encoder_hidden_states",
                                                        "encoder_attentions",
                                                        "decoder_hidden_states",
                                                        "decoder_attentions",
                                                        "cross_attentions"};

const CausalModel* as_causal(const Encoder& encoder) {
  return dynamic_cast<const CausalModel*>(&encoder);
}

/// A causal model's logits, and what heads give.
std::vector<HeadOutput> outputs_of(const Encoder& encoder, const std::vector<HeadOutput>& heads) {
  const CausalModel* causal = as_causal(encoder);
  if (causal == nullptr) return heads;
  return {{"logits", true, [causal](const Tensor& last) { return causal->logits(last); }}};
}

/// The wanted arrays, filled batch by batch while the model runs.
class Collector : public Observer {
 public:
  Collector(const EncoderFacts& facts, const ForwardRequest& request, const RowPlaces& places)
      : request_(request), places_(places) {
    const int64_t rows = places.rows(), tokens = places.tokens();
    if (wanted("hidden_states")) {
      hidden_states_ = Tensor::zeros({facts.layers + 1, rows, tokens, facts.width});
    }
    if (wanted("attentions")) {
      attentions_ = Tensor::zeros({facts.layers, rows, facts.heads, tokens, tokens});
    }
    if (wanted("last_hidden_state")) last_ = Tensor::zeros({rows, tokens, facts.width});
    if (wanted("pooler_output")) pooled_ = Tensor::zeros({rows, facts.width});
  }

  void start(size_t first_row) { first_row_ = static_cast<int64_t>(first_row); }

  AttentionWant wants(int, std::string_view) override { return {.weights = attentions_.defined()}; }

  void attention(int layer, std::string_view, const AttentionOutputs& outputs) override {
    if (!attentions_) return;
    places_.keep_weights(outputs.weights, first_row_, places_, attentions_.select(0, layer));
  }

  void hidden_state(int layer, const Tensor& state) override {
    check_cancelled();
    if (hidden_states_) places_.keep_states(state, first_row_, hidden_states_.select(0, layer));
  }

  void finish(const Tensor& last, const Encoder& encoder, const std::vector<HeadOutput>& outputs) {
    if (last_) places_.keep_states(last, first_row_, last_);
    if (pooled_) keep_row(encoder.pooled(last), pooled_);
    for (const HeadOutput& output : outputs) {
      if (wanted(output.name)) keep_output(output, output.compute(last));
    }
  }

  Tensor array(const std::string& name) const {
    if (name == "last_hidden_state") return last_;
    if (name == "hidden_states") return hidden_states_;
    if (name == "attentions") return attentions_;
    return name == "pooler_output" ? pooled_ : of_heads_.at(name);
  }

 private:
  bool wanted(std::string_view name) const {
    return std::ranges::find(request_.want, name) != request_.want.end();
  }

  /// values [b, T, N], [b, T] or [b, N].
  void keep_output(const HeadOutput& output, const Tensor& values) {
    const int64_t rows = places_.rows(), tokens = places_.tokens();
    Tensor& into = of_heads_[output.name];
    if (!output.per_token) {
      if (!into) into = Tensor::zeros({rows, values.size(1)});
      return keep_row(values, into);
    }
    const bool flat = values.rank() == 2;
    const int64_t width = flat ? 1 : values.size(2);
    if (!into) into = Tensor::zeros(flat ? Shape{rows, tokens} : Shape{rows, tokens, width});
    places_.keep_states(values.reshape({values.size(0), values.size(1), width}), first_row_,
                        into.reshape({rows, tokens, width}));
  }

  /// values [b, N] -> into [rows, N].
  void keep_row(const Tensor& values, const Tensor& into) const {
    std::ranges::copy(values.span<float>(), into.data<float>() + first_row_ * values.size(1));
  }

  const ForwardRequest& request_;
  const RowPlaces& places_;
  int64_t first_row_ = 0;
  Tensor hidden_states_, attentions_, last_, pooled_;
  std::map<std::string, Tensor> of_heads_;
};

}  // namespace

std::vector<HeadOutput> head_outputs(const EncoderWithHeads& model) {
  std::vector<HeadOutput> outputs;
  for (const auto& head : model.heads) {
    const auto column = [head](int64_t i) {  // [b, T, N] -> [b, T]
      return
          [head, i](const Tensor& last) { return head->logits_of(last).select(2, i).contiguous(); };
    };
    const auto all = [head](const Tensor& last) { return head->logits_of(last); };
    const bool both = model.heads.size() > 1;  // ...ForPreTraining
    switch (head->task()) {
      case HeadTask::answer:
        outputs.push_back({"start_logits", true, column(0)});
        outputs.push_back({"end_logits", true, column(1)});
        break;
      case HeadTask::replaced:
        outputs.push_back({"logits", true, column(0)});
        break;
      case HeadTask::fill:
        outputs.push_back({both ? "prediction_logits" : "logits", true, all});
        break;
      case HeadTask::tag:
        outputs.push_back({"logits", true, all});
        break;
      case HeadTask::next_sentence: {
        const bool albert = model.encoder->facts().architecture == "albert";
        const char* second = albert ? "sop_logits" : "seq_relationship_logits";
        outputs.push_back({both ? second : "logits", false, all});
        break;
      }
      case HeadTask::classify:
      case HeadTask::choose:
        outputs.push_back({"logits", false, all});
        break;
    }
  }
  return outputs;
}

void check_wanted(const Encoder& encoder, const std::vector<std::string>& want,
                  const std::vector<HeadOutput>& heads) {
  const std::vector<HeadOutput> outputs = outputs_of(encoder, heads);
  for (const std::string& name : want) {
    if (std::ranges::find(outputs, name, &HeadOutput::name) != outputs.end()) continue;
    if (std::ranges::find(kOfEncoders, name) != kOfEncoders.end()) {
      if (name == "pooler_output" && !encoder.has_pooler()) {
        throw Error(ErrorCode::unsupported,
                    "forward: pooler_output needs a pooler, and this checkpoint has none");
      }
      if (name == "logits") {
        throw Error(ErrorCode::unsupported,
                    fmt::format("forward: logits need a causal language model or a task's head, "
                                "and this model ({}) is an encoder without one",
                                encoder.facts().architecture));
      }
      continue;
    }
    const std::string known = fmt::format("an encoder gives {}", fmt::join(kOfEncoders, ", "));
    if (std::ranges::find(kOfOthers, name) != kOfOthers.end()) {
      throw Error(
          ErrorCode::unsupported,
          fmt::format("forward: {} needs a decoder or a task's head, and this model ({}) is "
                      "an encoder without one; {}",
                      name, encoder.facts().architecture, known));
    }
    throw Error(ErrorCode::invalid_argument,
                fmt::format("forward: there is no output {}; {}", in_quotes(name), known));
  }
}

NamedTensors forward(const Encoder& encoder, const ForwardRequest& request,
                     const std::vector<HeadOutput>& heads) {
  check_wanted(encoder, request.want, heads);
  const std::vector<HeadOutput> outputs = outputs_of(encoder, heads);
  check_rows(request.ids, request.type_ids);  // of all batches, before the first one is computed
  const RowPlaces places(request.ids, request.pad_side);
  Collector collector(encoder.facts(), request, places);
  const size_t rows = request.ids.size();
  const auto step = static_cast<size_t>(std::max<int64_t>(request.batch, 1));
  for (size_t begin = 0; begin < rows; begin += step) {
    check_cancelled();
    const size_t end = std::min(rows, begin + step);
    collector.start(begin);
    const Tensor last = encoder(EncoderInput::from_rows(some_rows(request.ids, begin, end),
                                                        some_rows(request.type_ids, begin, end)),
                                {.observer = &collector});
    collector.finish(last, encoder, outputs);
    if (request.progress) request.progress(static_cast<int64_t>(end), static_cast<int64_t>(rows));
  }
  const auto [ids, mask] = places.padded(request.ids, request.pad_id);
  NamedTensors arrays = {{"input_ids", ids}, {"attention_mask", mask}};
  for (const std::string& name : request.want) arrays.emplace_back(name, collector.array(name));
  return arrays;
}

}  // namespace heed
