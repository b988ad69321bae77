// heed forward: what a model computes, as arrays under the names that transformers has.

#include "heed/tasks/forward.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/dtype_option.h"
#include "cli/id_rows.h"
#include "cli/json_out.h"
#include "cli/progress.h"
#include "cli/texts.h"
#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/io/hub.h"
#include "heed/io/npy.h"
#include "heed/models/heads.h"
#include "heed/models/registry.h"
#include "heed/tasks/forward_pair.h"
#include "heed/text/tokenizer.h"

namespace heed::cli {
namespace {

using Rows = std::vector<std::vector<int32_t>>;

struct Options {
  TextInputs inputs;
  std::string ids;
  std::string token_types;
  std::string decoder_ids;
  std::string pad_side = "right";
  std::vector<std::string> want{"last_hidden_state"};
  bool truncate = false;
  LoadArguments load;
  std::string save;
};

void cut_rows(Rows& rows, int64_t limit) {
  for (auto& row : rows) row.resize(std::min(row.size(), static_cast<size_t>(limit)));
}

/// The tokens of the texts, and the id that pads them.
void tokenize(const std::vector<PlacedText>& texts, const std::filesystem::path& folder,
              std::optional<int64_t> max_tokens, ForwardRequest* request) {
  const auto tokenizer = Tokenizer::load(folder);
  std::vector<std::string> cut;
  for (const PlacedText& one : texts) {
    Encoding encoding = tokenizer->encode(one.text, {.max_tokens = max_tokens});
    if (encoding.ids.empty()) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: needed a text of at least one token, found {}; leave it out",
                              place_of(one), in_quotes(one.text)));
    }
    request->ids.push_back(std::move(encoding.ids));
    if (encoding.truncated) cut.push_back(std::to_string(request->ids.size()));
  }
  request->pad_id = tokenizer->pad_id().value_or(0);
  if (!cut.empty()) {
    log(LogLevel::warning,
        fmt::format("only the first {} tokens of text {} were read", *max_tokens, listed(cut, 8)));
  }
}

void check_lengths(const Rows& ids, int64_t max_tokens) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (static_cast<int64_t>(ids[i].size()) <= max_tokens) continue;
    throw Error(ErrorCode::invalid_argument,
                fmt::format("input {} has {} tokens, but the model has {} positions; shorten it or "
                            "give --truncate",
                            i + 1, ids[i].size(), max_tokens));
  }
}

/// The rows of a file of ids that a model reads.
Rows read_inputs(const std::string& file) {
  Rows rows = read_id_rows(file);
  const auto empty = std::ranges::find_if(rows, &Rows::value_type::empty);
  if (empty == rows.end()) return rows;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: needed rows of at least one token id, found none in row {} of {}",
                          file, empty - rows.begin() + 1, rows.size()));
}

ForwardRequest read_request(const Context& context, const Options& options,
                            const std::filesystem::path& folder, int64_t max_tokens) {
  ForwardRequest request;
  request.want = options.want;
  request.pad_side = options.pad_side == "left" ? PadSide::left : PadSide::right;
  request.batch = context.batch;
  const std::optional<int64_t> limit = options.truncate ? std::optional(max_tokens) : std::nullopt;
  if (options.ids.empty()) {
    tokenize(read_placed_texts(options.inputs), folder, limit, &request);
  } else if (options.inputs.given()) {
    throw Error(ErrorCode::invalid_argument, "give texts or --ids, not both");
  } else {
    request.ids = read_inputs(options.ids);
  }
  if (!options.token_types.empty()) request.type_ids = read_id_rows(options.token_types);
  if (limit) {
    cut_rows(request.ids, *limit);
    cut_rows(request.type_ids, *limit);
  }
  check_lengths(request.ids, max_tokens);
  return request;
}

void print_shapes(const NamedTensors& arrays, bool json) {
  OutJson shapes = OutJson::object();
  for (const auto& [name, array] : arrays) {
    if (json) {
      shapes[name] = std::vector<int64_t>(array.shape().begin(), array.shape().end());
    } else {
      print(fmt::format("{:20} {} {}\n", name, to_string(array.dtype()), to_string(array.shape())));
    }
  }
  if (json) print_json({{"shapes", shapes}});
}

/// What either kind of model computes, with a bar while it does.
template <class Compute>
void give(const Context& context, const Options& options, ForwardRequest request,
          const Compute& compute) {
  NamedTensors arrays;
  {
    ProgressBar bar(context, "computing", "inputs");
    request.progress = bar.callback();
    arrays = compute(request);
  }
  if (!options.save.empty()) write_npz(options.save, arrays);
  print_shapes(arrays, context.json);
}

void run_pair(const Context& context, const Options& options, const std::filesystem::path& folder) {
  const auto model = load_encoder_decoder(folder, load_options(options.load));
  check_wanted(*model, options.want);
  if (!options.token_types.empty()) {
    throw Error(ErrorCode::unsupported, "--token-types: an encoder-decoder has none");
  }
  const int64_t limit = model->facts().max_tokens;
  const ForwardRequest request = read_request(context, options, folder, limit);
  Rows decoder_ids;
  if (!options.decoder_ids.empty()) decoder_ids = read_inputs(options.decoder_ids);
  if (options.truncate) cut_rows(decoder_ids, limit);
  check_lengths(decoder_ids, limit);
  give(context, options, request,
       [&](const ForwardRequest& asked) { return forward(*model, asked, decoder_ids); });
}

/// An array has one name, and a name one array.
void check_names(const std::vector<std::string>& want) {
  for (auto name = want.begin(); name != want.end(); ++name) {
    if (std::find(want.begin(), name, *name) == name) continue;
    throw Error(ErrorCode::invalid_argument,
                "--want: needed each name once, found " + in_quotes(*name) + " twice");
  }
}

void run_forward(const Context& context, const Options& options) {
  check_names(options.want);
  if (!options.save.empty() && ending_of(options.save) != ".npz") {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("--save {}: the ending must be .npz", in_quotes(options.save)));
  }
  const std::filesystem::path folder = find_model(context.model);
  if (model_kind(folder) == ModelKind::encoder_decoder) return run_pair(context, options, folder);
  if (!options.decoder_ids.empty()) {
    throw Error(ErrorCode::unsupported, "--decoder-ids: needs an encoder-decoder");
  }
  const EncoderWithHeads model = load_with_heads(folder, load_options(options.load));
  const std::vector<HeadOutput> heads = head_outputs(model);
  check_wanted(*model.encoder, options.want, heads);
  give(context, options, read_request(context, options, folder, model.encoder->facts().max_tokens),
       [&](const ForwardRequest& request) { return forward(*model.encoder, request, heads); });
}

}  // namespace

void add_forward(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "forward",
       .summary = "Compute what a model computes and keep it as arrays, under the names that "
                  "transformers has.",
       .details = "Prints the names and shapes of what it computed; --save keeps the values. "
                  "input_ids and attention_mask are always there.",
       .example =
           "heed forward \"Hello world\" --want last_hidden_state,attentions --save out.npz"},
      [&context, options] { run_forward(context, *options); });
  add_text_inputs(command, options->inputs);
  add_model_option(command, context);
  add_batch_option(command, context);
  command
      .add_option("--ids", options->ids,
                  "Read token ids from F, a JSON list of lists, instead "
                  "of texts. Shorter rows are padded.")
      ->type_name("F.json");
  command
      .add_option("--token-types", options->token_types,
                  "Read which text of a pair each token is from, in the shape of the ids.")
      ->type_name("F.json");
  command
      .add_option("--decoder-ids", options->decoder_ids,
                  "Read the decoder's ids, a row for each input, of an encoder-decoder: each "
                  "begins with the token that texts are written after.")
      ->type_name("F.json");
  command
      .add_option("--pad-side", options->pad_side,
                  "Where shorter rows are padded; it changes no value.")
      ->check(CLI::IsMember({"left", "right"}))
      ->capture_default_str();
  add_list_option(command, "--want", options->want,
                  "What to compute: last_hidden_state, hidden_states, attentions, "
                  "pooler_output, logits of a causal language model, and what a task's head "
                  "gives (logits, start_logits, end_logits ...); of an encoder-decoder "
                  "encoder_last_hidden_state, encoder_hidden_states, encoder_attentions, and with "
                  "--decoder-ids last_hidden_state, logits, decoder_hidden_states, "
                  "decoder_attentions, cross_attentions; by commas.")
      ->type_name("NAMES")
      ->default_str("last_hidden_state");
  add_load_options(command, options->load);
  command.add_flag("--truncate", options->truncate,
                   "Cut what is longer than the model's positions.");
  command.add_option("--save", options->save, "Write the arrays to F.npz.")->type_name("F.npz");
}

}  // namespace heed::cli
