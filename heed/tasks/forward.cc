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
  Collector(const EncoderFacts& facts, const ForwardRequest& request, int64_t tokens)
      : request_(request), tokens_(tokens) {
    const auto rows = static_cast<int64_t>(request.ids.size());
    if (wanted("hidden_states")) {
      hidden_states_ = Tensor::zeros({facts.layers + 1, rows, tokens, facts.width});
    }
    if (wanted("attentions")) {
      attentions_ = Tensor::zeros({facts.layers, rows, facts.heads, tokens, tokens});
    }
    if (wanted("last_hidden_state")) last_ = Tensor::zeros({rows, tokens, facts.width});
    if (wanted("pooler_output")) pooled_ = Tensor::zeros({rows, facts.width});
  }

  void start(size_t first_row) { first_row_ = first_row; }

  AttentionWant wants(int, std::string_view) override { return {.weights = attentions_.defined()}; }

  void attention(int layer, std::string_view, const AttentionOutputs& outputs) override {
    if (!attentions_) return;
    const Tensor into = attentions_.select(0, layer);  // [rows, H, T, T]
    for (int64_t b = 0; b < outputs.weights.size(0); ++b) {
      const auto [row, begin, end] = place(b);
      for (int64_t h = 0; h < into.size(1); ++h) {
        copy(outputs.weights.select(0, b)
                 .select(0, h)
                 .slice(0, 0, end - begin)
                 .slice(1, 0, end - begin),
             into.select(0, row).select(0, h).slice(0, begin, end).slice(1, begin, end));
      }
    }
  }

  void hidden_state(int layer, const Tensor& state) override {
    if (hidden_states_) keep_state(state, hidden_states_.select(0, layer));
  }

  void finish(const Tensor& last, const Encoder& encoder, const std::vector<HeadOutput>& outputs) {
    if (last_) keep_state(last, last_);
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
  struct Place {
    int64_t row, begin, end;
  };

  bool wanted(std::string_view name) const {
    return std::ranges::find(request_.want, name) != request_.want.end();
  }

  /// values [b, T, N], [b, T] or [b, N].
  void keep_output(const HeadOutput& output, const Tensor& values) {
    const auto rows = static_cast<int64_t>(request_.ids.size());
    Tensor& into = of_heads_[output.name];
    if (!output.per_token) {
      if (!into) into = Tensor::zeros({rows, values.size(1)});
      return keep_row(values, into);
    }
    const bool flat = values.rank() == 2;
    const int64_t width = flat ? 1 : values.size(2);
    if (!into) into = Tensor::zeros(flat ? Shape{rows, tokens_} : Shape{rows, tokens_, width});
    keep_state(values.reshape({values.size(0), values.size(1), width}),
               into.reshape({rows, tokens_, width}));
  }

  /// values [b, N] -> into [rows, N].
  void keep_row(const Tensor& values, const Tensor& into) const {
    const auto first = static_cast<int64_t>(first_row_);
    copy(values, into.slice(0, first, first + values.size(0)));
  }

  /// Where row b of the running batch stands in the arrays.
  Place place(int64_t b) const {
    const size_t row = first_row_ + static_cast<size_t>(b);
    const auto length = static_cast<int64_t>(request_.ids[row].size());
    const int64_t begin = request_.pad_side == PadSide::left ? tokens_ - length : 0;
    return {static_cast<int64_t>(row), begin, begin + length};
  }

  /// from, to: [R, N], rows contiguous.
  static void copy(const Tensor& from, const Tensor& to) {
    for (int64_t r = 0; r < to.size(0); ++r) {
      std::copy_n(from.data<float>() + r * from.stride(0), to.size(1),
                  to.data<float>() + r * to.stride(0));
    }
  }

  /// state [B, T, C] -> into [rows, T, C].
  void keep_state(const Tensor& state, const Tensor& into) const {
    for (int64_t b = 0; b < state.size(0); ++b) {
      const auto [row, begin, end] = place(b);
      copy(state.select(0, b), into.select(0, row).slice(0, begin, end));
    }
  }

  const ForwardRequest& request_;
  int64_t tokens_;
  size_t first_row_ = 0;
  Tensor hidden_states_, attentions_, last_, pooled_;
  std::map<std::string, Tensor> of_heads_;
};

/// input_ids and attention_mask, padded on the wanted side.
std::pair<Tensor, Tensor> padded_inputs(const ForwardRequest& request, int64_t tokens) {
  const auto rows = static_cast<int64_t>(request.ids.size());
  const Tensor ids = Tensor::empty({rows, tokens}, DType::i64);
  std::ranges::fill(ids.span<int64_t>(), request.pad_id);
  const Tensor mask = Tensor::zeros({rows, tokens}, DType::i64);
  for (int64_t r = 0; r < rows; ++r) {
    const auto& row = request.ids[static_cast<size_t>(r)];
    const auto length = static_cast<int64_t>(row.size());
    const int64_t at = r * tokens + (request.pad_side == PadSide::left ? tokens - length : 0);
    std::ranges::copy(row, ids.data<int64_t>() + at);
    std::fill_n(mask.data<int64_t>() + at, length, 1);
  }
  return {ids, mask};
}

using Rows = std::vector<std::vector<int32_t>>;
Rows some_rows(const Rows& rows, size_t begin, size_t end) {
  if (rows.empty()) return {};
  return {rows.begin() + static_cast<std::ptrdiff_t>(begin),
          rows.begin() + static_cast<std::ptrdiff_t>(end)};
}

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

std::vector<std::pair<std::string, Tensor>> forward(const Encoder& encoder,
                                                    const ForwardRequest& request,
                                                    const std::vector<HeadOutput>& heads) {
  check_wanted(encoder, request.want, heads);
  const std::vector<HeadOutput> outputs = outputs_of(encoder, heads);
  check_rows(request.ids, request.type_ids);  // of all batches, before the first one is computed
  int64_t tokens = 0;
  for (const auto& row : request.ids) tokens = std::max(tokens, static_cast<int64_t>(row.size()));
  Collector collector(encoder.facts(), request, tokens);
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
  const auto [ids, mask] = padded_inputs(request, tokens);
  std::vector<std::pair<std::string, Tensor>> arrays = {{"input_ids", ids},
                                                        {"attention_mask", mask}};
  for (const std::string& name : request.want) arrays.emplace_back(name, collector.array(name));
  return arrays;
}

}  // namespace heed
