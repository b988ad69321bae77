#include "heed/tasks/forward_pair.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/tasks/forward_arrays.h"

namespace heed {
namespace {

constexpr std::array<std::string_view, 3> kOfEncoder = {
    "encoder_last_hidden_state", "encoder_hidden_states", "encoder_attentions"};
constexpr std::array<std::string_view, 5> kOfDecoder = {"last_hidden_state", "logits",
                                                        "decoder_hidden_states",
                                                        "decoder_attentions", "cross_attentions"};
constexpr std::array<std::string_view, 5> kOfOthers = {
    "hidden_states", "attentions", "pooler_output", "start_logits", "end_logits"};

bool is_among(std::string_view name, const auto& names) {
  return std::ranges::find(names, name) != names.end();
}

/// Where what a stack of blocks gives is kept; undefined for what nobody wants.
struct Kept {
  Tensor states;   // [L + 1, rows, T, C]
  Tensor last;     // [rows, T, C]
  Tensor weights;  // [L, rows, H, T, T]
  Tensor cross;    // [L, rows, H, T, S]
};

/// Keeps what one stack gives of a batch, in layer order.
class Watcher : public Observer {
 public:
  Watcher(const Kept& kept, const RowPlaces& places, const RowPlaces& sources, int64_t last)
      : kept_(kept), places_(places), sources_(sources), last_(last) {}

  void start(int64_t first_row) { first_row_ = first_row; }
  /// Error unsupported where the model does not tell an observer anything.
  void check_seen(const EncoderDecoder& model) const {
    if (seen_ || !(kept_.states || kept_.last || kept_.weights || kept_.cross)) return;
    throw Error(ErrorCode::unsupported, fmt::format("forward: this model ({}) gives logits alone",
                                                    model.facts().architecture));
  }

  AttentionWant wants(int, std::string_view kind) override {
    return {.weights = (kind == "cross" ? kept_.cross : kept_.weights).defined()};
  }
  void attention(int layer, std::string_view kind, const AttentionOutputs& outputs) override {
    seen_ = true;
    const bool cross = kind == "cross";
    const Tensor& all = cross ? kept_.cross : kept_.weights;
    if (!all) return;
    places_.keep_weights(outputs.weights, first_row_, cross ? sources_ : places_,
                         all.select(0, layer));
  }
  void hidden_state(int layer, const Tensor& state) override {
    check_cancelled();
    seen_ = true;
    if (kept_.states) places_.keep_states(state, first_row_, kept_.states.select(0, layer));
    if (kept_.last && layer == last_) places_.keep_states(state, first_row_, kept_.last);
  }
  void step() override { check_cancelled(); }

 private:
  const Kept& kept_;
  const RowPlaces& places_;
  const RowPlaces& sources_;
  int64_t last_;
  int64_t first_row_ = 0;
  bool seen_ = false;
};

/// The arrays that are wanted of a stack whose names begin with `stack`.
Kept room_for(const std::vector<std::string>& want, const std::string& stack,
              const std::string& last_name, int64_t layers, int64_t heads, int64_t width,
              const RowPlaces& places, const RowPlaces& sources) {
  const auto wanted = [&](const std::string& name) { return is_among(name, want); };
  const int64_t rows = places.rows(), tokens = places.tokens();
  Kept kept;
  if (wanted(stack + "hidden_states")) {
    kept.states = Tensor::zeros({layers + 1, rows, tokens, width});
  }
  if (wanted(last_name)) kept.last = Tensor::zeros({rows, tokens, width});
  if (wanted(stack + "attentions")) {
    kept.weights = Tensor::zeros({layers, rows, heads, tokens, tokens});
  }
  if (stack == "decoder_" && wanted("cross_attentions")) {
    kept.cross = Tensor::zeros({layers, rows, heads, tokens, sources.tokens()});
  }
  return kept;
}

Tensor array_of(std::string_view name, const Kept& encoder, const Kept& decoder,
                const Tensor& logits) {
  if (name == "logits") return logits;
  if (name == "last_hidden_state") return decoder.last;
  if (name == "cross_attentions") return decoder.cross;
  if (name == "encoder_last_hidden_state") return encoder.last;
  const Kept& kept = name.starts_with("encoder_") ? encoder : decoder;
  return name.ends_with("hidden_states") ? kept.states : kept.weights;
}

/// Whether the decoder runs.
bool check_decoder_ids(const ForwardRequest& request, const RowPlaces::Rows& decoder_ids) {
  const auto asks = std::ranges::find_if(
      request.want, [](const std::string& name) { return is_among(name, kOfDecoder); });
  if (decoder_ids.empty()) {
    if (asks == request.want.end()) return false;
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("forward: {} is the decoder's, which needs its ids (--decoder-ids)", *asks));
  }
  if (decoder_ids.size() != request.ids.size()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("forward: needed decoder ids for {}, found {}",
                            counted(std::ssize(request.ids), "row"), decoder_ids.size()));
  }
  check_rows(decoder_ids, {});
  return true;
}

}  // namespace

void check_wanted(const EncoderDecoder& model, const std::vector<std::string>& want) {
  for (const std::string& name : want) {
    if (is_among(name, kOfEncoder) || is_among(name, kOfDecoder)) continue;
    const std::string known = fmt::format("an encoder-decoder gives {}, {}",
                                          fmt::join(kOfEncoder, ", "), fmt::join(kOfDecoder, ", "));
    if (is_among(name, kOfOthers)) {
      throw Error(ErrorCode::unsupported,
                  fmt::format("forward: {} is nothing that this model ({}) gives; {}", name,
                              model.facts().architecture, known));
    }
    throw Error(ErrorCode::invalid_argument,
                fmt::format("forward: there is no output {}; {}", in_quotes(name), known));
  }
}

NamedTensors forward(const EncoderDecoder& model, const ForwardRequest& request,
                     const RowPlaces::Rows& decoder_ids) {
  check_wanted(model, request.want);
  check_rows(request.ids, {});
  const bool decodes = check_decoder_ids(request, decoder_ids);
  const EncoderDecoderFacts& facts = model.facts();
  const RowPlaces sources(request.ids, request.pad_side), targets(decoder_ids, request.pad_side);
  const Kept of_encoder =
      room_for(request.want, "encoder_", "encoder_last_hidden_state", facts.encoder_layers,
               facts.encoder_heads, facts.width, sources, sources);
  const Kept of_decoder =
      room_for(request.want, "decoder_", "last_hidden_state", facts.decoder_layers,
               facts.decoder_heads, facts.width, targets, sources);
  Tensor logits;
  if (is_among("logits", request.want)) {
    logits = Tensor::zeros({targets.rows(), targets.tokens(), facts.target_vocab});
  }
  Watcher encoder(of_encoder, sources, sources, facts.encoder_layers);
  Watcher decoder(of_decoder, targets, sources, facts.decoder_layers);
  const size_t rows = request.ids.size();
  const auto step = static_cast<size_t>(std::max<int64_t>(request.batch, 1));
  for (size_t begin = 0; begin < rows; begin += step) {
    check_cancelled();
    const size_t end = std::min(rows, begin + step);
    encoder.start(static_cast<int64_t>(begin));
    const Memory memory = model.encode(EncoderInput::from_rows(some_rows(request.ids, begin, end)),
                                       {.observer = &encoder});
    if (decodes) {
      decoder.start(static_cast<int64_t>(begin));
      const EncoderInput ids = EncoderInput::from_rows(some_rows(decoder_ids, begin, end));
      const Tensor states = model.decode(ids.ids, memory, {.observer = &decoder});
      if (logits) {
        targets.keep_states(model.logits(states), static_cast<int64_t>(begin), logits);
      }
    }
    if (request.progress) request.progress(static_cast<int64_t>(end), static_cast<int64_t>(rows));
  }
  encoder.check_seen(model);
  decoder.check_seen(model);
  NamedTensors arrays;
  const auto keep_ids = [&](const std::string& ids, const std::string& mask,
                            const std::pair<Tensor, Tensor>& values) {
    arrays.emplace_back(ids, values.first);
    arrays.emplace_back(mask, values.second);
  };
  keep_ids("input_ids", "attention_mask", sources.padded(request.ids, request.pad_id));
  if (decodes) {
    keep_ids("decoder_input_ids", "decoder_attention_mask",
             targets.padded(decoder_ids, request.pad_id));
  }
  for (const std::string& name : request.want) {
    arrays.emplace_back(name, array_of(name, of_encoder, of_decoder, logits));
  }
  return arrays;
}

}  // namespace heed
