#include "heed/train/config.h"

namespace heed {
namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();
using Strings = std::vector<std::string_view>;

TrainField text(std::string_view name, TrainField::Member member, std::string_view help,
                Strings choices = {}) {
  return {.name = name, .member = member, .help = help, .choices = std::move(choices)};
}

TrainField number(std::string_view name, TrainField::Member member, std::string_view help,
                  double least = 0, double most = kNoLimit) {
  return {.name = name, .member = member, .help = help, .least = least, .most = most};
}

TrainField changeable(TrainField field) {
  field.may_change = true;
  return field;
}

void append(std::vector<TrainField>& all, std::vector<TrainField> more) {
  for (TrainField& field : more) all.push_back(std::move(field));
}

std::vector<TrainField> data_fields() {
  using C = TrainConfig;
  return {
      text("task", &C::task, "What is learnt.",
           {"lm", "translate", "seq2seq", "classify", "ner", "mlm"}),
      changeable(text("data", &C::data,
                      "File to learn from; translate and seq2seq take a .tsv, a .jsonl, or two "
                      "aligned files, A,B.")),
      changeable(
          text("validation", &C::validation,
               "File to measure on; without one, validation_part of the data is kept back.")),
      number("validation_part", &C::validation_part,
             "Part of the data kept back to measure on, 0 for none.", 0, 0.9),
      changeable(text("out", &C::out, "Folder of the result, its checkpoints and its metrics.")),
      changeable(text("tokenizer", &C::tokenizer,
                      "tokenizer.json or a folder with one, or how to learn one: characters, bpe, "
                      "wordpiece or unigram. Default: the model's own; of a new one bpe, of a BERT "
                      "wordpiece.")),
      number("vocab", &C::vocab, "Pieces of a tokenizer that is learnt, 0 for 8,192 at most."),
      text("text_column", &C::text_column, "Column of the text in CSV and JSON lines."),
      text("label_column", &C::label_column, "Column of the label in CSV and JSON lines."),
      text("pair_column", &C::pair_column,
           "Column of a second text, for classes of pairs; none by default."),
      text("source_column", &C::source_column, "Member of the source in JSON lines of pairs."),
      text("target_column", &C::target_column, "Member of the target in JSON lines of pairs."),
      text("source_prefix", &C::source_prefix,
           "What each source begins with, such as T5's \"summarize: \"."),
      text("skip_bad", &C::skip_bad, "Leave out rows that cannot be read instead of stopping."),
  };
}

std::vector<TrainField> model_fields() {
  using C = TrainConfig;
  return {
      changeable(text("model", &C::model,
                      "Model to start from, a folder or a name; without one, a new model.")),
      number("layers", &C::layers, "Layers of a new model (of each stack).", 1, 1000),
      number("heads", &C::heads, "Heads of a new model; they divide its width.", 1, 1000),
      number("width", &C::width, "Width of a new model's states.", 1, 1e6),
      number("feed_forward", &C::feed_forward,
             "Width of a new model's feed-forward layers, 0 for four times the width.", 0, 1e7),
      text("norm_first", &C::norm_first,
           "A new translator has its norms before attention and feed-forward, not after."),
      text(
          "separate_embeddings", &C::separate_embeddings,
          "A new translator has tables of its own for source, target and output, not one for all."),
      number("dropout", &C::dropout,
             "Probability that a number is dropped; not given, a --model's own.", 0, 0.99),
      number("mask_part", &C::mask_part, "Part of the tokens that mlm hides.", 0.01, 0.9),
  };
}

std::vector<TrainField> batch_fields() {
  using C = TrainConfig;
  return {
      number("batch", &C::batch, "Rows (texts, pairs, blocks) of a batch.", 1, 1e7),
      number("batch_tokens", &C::batch_tokens,
             "Tokens of a batch at most, padding included, 0 for any; not lm."),
      number("block", &C::block, "Tokens a row has at most.", 1, 1e7),
      number("accumulate", &C::accumulate, "Batches whose gradients make one update.", 1, 1e6),
      changeable(number("steps", &C::steps, "Updates of the run, 0 to go by epochs.")),
      changeable(
          number("epochs", &C::epochs, "Passes over the data, 0 to go by steps (both 0: 1 pass).")),
      number("label_smoothing", &C::label_smoothing,
             "Part of the target's probability that all words share.", 0, 0.99),
      text("precision", &C::precision,
           "What products round their operands to; sums, weights and gradients stay f32.",
           {"f32", "bf16"}),
      text("recompute", &C::recompute,
           "Keep only the blocks' inputs and compute the rest again: less memory, more time."),
  };
}

std::vector<TrainField> optimizer_fields() {
  using C = TrainConfig;
  return {
      text("optimizer", &C::optimizer, "How gradients change weights.",
           {"sgd", "adam", "adamw", "adafactor", "lion"}),
      number("momentum", &C::momentum, "sgd's.", 0, 0.9999),
      text("nesterov", &C::nesterov, "sgd looks one step ahead."),
      number("beta1", &C::beta1,
             "Decay of the mean of gradients, -1 for the optimizer's own (0.9; adafactor none).",
             -1, 0.999999),
      number("beta2", &C::beta2,
             "Decay of the mean of their squares, -1 for the optimizer's own (0.999; lion 0.99).",
             -1, 0.999999),
      number("epsilon", &C::epsilon, "adam's and adamw's, added to the root.", 0, 1),
      number("weight_decay", &C::weight_decay,
             "Of matrices; norms and biases have none. Times the rate, an update."),
      number("clip", &C::clip, "Largest norm of all gradients together, 0 for any."),
      text("schedule", &C::schedule, "How the rate goes.",
           {"constant", "linear", "cosine", "noam"}),
      number("learning_rate", &C::learning_rate,
             "Highest rate, noam's factor; 0 for 3e-4, noam's 1."),
      number("floor_rate", &C::floor_rate, "Rate at which cosine ends."),
      number("warmup_steps", &C::warmup_steps, "Updates in which the rate rises."),
  };
}

std::vector<TrainField> part_fields() {
  using C = TrainConfig;
  return {
      text("freeze", &C::freeze, "Starts of the names of weights that stay as they are."),
      number("layer_rate_decay", &C::layer_rate_decay,
             "Rate of a layer over that of the one above it.", 1e-6, 1),
      number("lora_rank", &C::lora_rank, "Rank of low-rank updates, 0 to train the weights.", 0,
             1e5),
      number("lora_alpha", &C::lora_alpha, "Their scale times the rank, 0 for twice the rank."),
      text("lora_targets", &C::lora_targets,
           "Ends of the names of layers that get one. Default: queries and values."),
      text("lora_merge", &C::lora_merge, "Save one merged model instead of the updates alone."),
  };
}

std::vector<TrainField> watch_fields() {
  using C = TrainConfig;
  std::vector<TrainField> fields{
      number("eval_every", &C::eval_every, "Updates between measurements, 0 for ten in the run."),
      number("eval_batches", &C::eval_batches, "Batches of a measurement, 0 for all."),
      number("save_every", &C::save_every,
             "Updates between checkpoints, 0 with each measurement (ten in a run without any)."),
      number("keep", &C::keep, "Checkpoints that stay, beside the best.", 1, 1e6),
      number("patience", &C::patience,
             "Measurements without a better one after which the run ends, 0 for never."),
      number("log_every", &C::log_every, "Updates between lines of metrics.", 1, 1e9),
      number("skip_nan", &C::skip_nan, "Updates with a loss that is no number to leave out.", 0),
      text("tensorboard", &C::tensorboard, "Write TensorBoard's event file too."),
      number("watch_every", &C::watch_every, "Updates between heat maps, 0 for none."),
      text(
          "watch_text", &C::watch_text,
          "Sentence that is watched, of translators the source. Default: the first to learn from."),
      text("watch_target", &C::watch_target, "What a translator is to make of that source."),
      text("watch_attention", &C::watch_attention, "Which attention of a translator is watched.",
           {"encoder", "decoder", "cross"}),
      text("watch_heads", &C::watch_heads, "Heads to draw, as LAYER.HEAD. Default: four of them."),
  };
  for (TrainField& field : fields) field.may_change = true;
  return fields;
}

}  // namespace

const std::vector<TrainField>& train_fields() {
  static const std::vector<TrainField> fields = [] {
    std::vector<TrainField> all;
    append(all, data_fields());
    append(all, model_fields());
    append(all, batch_fields());
    append(all, optimizer_fields());
    append(all, part_fields());
    append(all, {number("seed", &TrainConfig::seed, "Of everything random.")});
    append(all, watch_fields());
    return all;
  }();
  return fields;
}

}  // namespace heed
