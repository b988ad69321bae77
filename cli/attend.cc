// heed attend: the attention operator on arrays from files.

#include "heed/tasks/attend.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <map>
#include <memory>
#include <numeric>
#include <vector>

#include "cli/arguments.h"
#include "cli/attend_save.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/progress.h"
#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/base/stopwatch.h"
#include "heed/io/npy.h"
#include "heed/ops/attention_backward.h"

namespace heed::cli {
namespace {

/// Names of files and texts, as given.
struct Options {
  std::string q, k, v;
  std::string causal, window;
  std::string lengths, segments_q, segments_k, mask, bias, alibi, sinks, t5_table;
  std::optional<float> scale;
  float softcap = 0;
  bool t5_bidirectional = false;
  int64_t t5_max_distance = 128;
  bool bf16 = false;
  bool time = false;
  std::string y, lse, weights, scores, save;
  std::string report, bins, tile;
  std::vector<std::string> keys;
  std::string grad_y, grads;
};

Tensor read_if_given(const std::string& file) { return file.empty() ? Tensor() : read_npy(file); }

/// One array has one format; a file without an ending (/dev/null) takes it too.
void expect_npy(const char* option, const std::string& file) {
  const std::string ending = ending_of(file);
  if (ending.empty() || ending == ".npy") return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{} {}: the ending must be .npy; --save writes .npz, .json and .csv",
                          option, in_quotes(file)));
}

std::string place_of(const std::string& file) {
  return absolute_path(file).lexically_normal().string();
}

/// The files that are read, by their places.
std::map<std::string, const char*> files_read(const Options& options) {
  std::map<std::string, const char*> places;
  for (const auto& [name, file] :
       {std::pair("Q.npy", options.q), std::pair("K.npy", options.k), std::pair("V.npy", options.v),
        std::pair("--causal", options.causal), std::pair("--lengths", options.lengths),
        std::pair("--segments-q", options.segments_q),
        std::pair("--segments-k", options.segments_k), std::pair("--mask", options.mask),
        std::pair("--bias", options.bias), std::pair("--alibi", options.alibi),
        std::pair("--t5-table", options.t5_table), std::pair("--sinks", options.sinks),
        std::pair("--grad-y", options.grad_y)}) {
    if (!file.empty()) places.emplace(place_of(file), name);
  }
  return places;
}

/// Before long work: no file takes what two options are to write, or the place of one that is read
/// (one letter off, --y q.npy, would lose the queries), and none is made in a folder that is not
/// there.
void check_files(const Options& options) {
  std::map<std::string, const char*> taken = files_read(options);
  for (const auto& [option, file] :
       {std::pair("--y", options.y), std::pair("--lse", options.lse),
        std::pair("--weights", options.weights), std::pair("--scores", options.scores),
        std::pair("--save", options.save), std::pair("--grads", options.grads)}) {
    if (file.empty()) continue;
    const std::string_view name = option;
    if (name != "--save" && name != "--grads") expect_npy(option, file);
    const auto [before, is_new] = taken.emplace(place_of(file), option);
    if (!is_new) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{} and {}: needed a file each, found {} for both", before->second,
                              option, in_quotes(file)));
    }
    check_writable(file);
  }
}

AttendSettings read_settings(const Options& options) {
  AttendSettings settings{.scale = options.scale,
                          .softcap = options.softcap,
                          .window = options.window,
                          .lengths = read_if_given(options.lengths),
                          .segments_q = read_if_given(options.segments_q),
                          .segments_k = read_if_given(options.segments_k),
                          .mask = read_if_given(options.mask),
                          .bias = read_if_given(options.bias),
                          .alibi = read_if_given(options.alibi),
                          .sinks = read_if_given(options.sinks),
                          .t5_table = read_if_given(options.t5_table),
                          .t5_bidirectional = options.t5_bidirectional,
                          .t5_max_distance = options.t5_max_distance};
  if (ending_of(options.causal) == ".npy") {
    settings.causal_offsets = read_npy(options.causal);
  } else {
    settings.causal = options.causal;
  }
  return settings;
}

std::optional<AttentionReportWant> wanted_report(const Options& options) {
  if (options.report.empty() && options.bins.empty() && options.keys.empty()) return std::nullopt;
  AttentionReportWant want;
  if (!options.report.empty()) want = parse_attention_report(options.report);
  for (const std::string& list : options.keys) {
    want.lists.push_back({.keys = parse_numbers("--keys", list)});
  }
  if (!options.bins.empty()) want.bins = parse_numbers("--bins", options.bins);
  return want;
}

/// Milliseconds that body takes: of several runs where it is quick, the median of all but the
/// first, which finds caches and threads cold.
template <class F>
double milliseconds(bool several, const F& body) {
  constexpr double kEnough = 500;
  constexpr size_t kMostRuns = 101;
  std::vector<double> runs;
  double total = 0;
  do {
    const Stopwatch watch;
    body();
    runs.push_back(watch.milliseconds());
    total += runs.back();
  } while (several && total < kEnough && runs.size() < kMostRuns);
  if (runs.size() > 1) runs.erase(runs.begin());
  const auto middle = runs.begin() + static_cast<std::ptrdiff_t>(runs.size() / 2);
  std::nth_element(runs.begin(), middle, runs.end());
  return *middle;
}

void print_shapes(const NamedTensors& arrays) {
  OutJson shapes = OutJson::object();
  for (const auto& [name, array] : arrays) {
    shapes[name] = std::vector<int64_t>(array.shape().begin(), array.shape().end());
  }
  print_json({{"shapes", shapes}});
}

std::string description(const std::string& name, const Tensor& array) {
  return fmt::format("{:16} {} {}", name, to_string(array.dtype()), to_string(array.shape()));
}

/// ": 0.1 to 2.3, mean 1.2" of a statistic; what rows that see NaN have is left out and counted.
std::string range_of(const Tensor& array) {
  if (array.dtype() != DType::f32 || array.numel() == 0) return "";
  const Tensor values = array.contiguous();
  std::vector<float> numbers;
  std::ranges::copy_if(values.span<float>(), std::back_inserter(numbers),
                       [](float x) { return std::isfinite(x); });
  if (numbers.empty()) return ": nothing finite";
  const int64_t others = array.numel() - std::ssize(numbers);
  const std::string left_out = others == 0 ? "" : fmt::format(", {} not finite", others);
  const auto [least, most] = std::ranges::minmax(numbers);
  const double sum = std::accumulate(numbers.begin(), numbers.end(), 0.0);
  return fmt::format(": {:.4g} to {:.4g}, mean {:.4g}{}", least, most,
                     sum / static_cast<double>(numbers.size()), left_out);
}

/// Arrays of a call and how they are asked for.
class Call {
 public:
  Call(const Context& context, const Options& options)
      : context_(context),
        options_(options),
        q_(attend_input("q", read_npy(options.q), options.bf16)),
        k_(attend_input("k", read_npy(options.k), options.bf16)),
        v_(attend_input("v", read_npy(options.v), options.bf16)),
        call_(attend_options(read_settings(options), options.bf16)) {
    if (!options.grad_y.empty()) {
      dy_ = attend_input("--grad-y", read_npy(options.grad_y), options.bf16);
    }
    report_want_ = wanted_report(options);
    if (!options.tile.empty()) tile_ = parse_tile(options.tile);
    const bool maps = report_want_ && report_want_->map > 0;
    if (!options.save.empty()) check_attend_ending(options.save, maps || tile_);
    if (!options.grads.empty() && ending_of(options.grads) != ".npz") {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("--grads {}: the ending must be .npz", in_quotes(options.grads)));
    }
    want_ = {.lse = !options.lse.empty() || !options.save.empty() || tile_ || dy_.defined(),
             .weights = !options.weights.empty(),
             .scores = !options.scores.empty()};
  }

  void run() {
    // Before long work; arrays of other ranks are attention()'s to refuse.
    if (tile_ && q_.rank() == 4 && k_.rank() == 4) {
      check_attention_tile(q_.size(2), k_.size(2), tile_->rows, tile_->keys);
    }
    const double ms = milliseconds(options_.time, [&] { compute(); });
    if (report_want_ && (want_.weights || want_.scores)) {
      const AttentionOutputs out = attention_outputs(q_, k_, v_, call_, want_);
      add_named({{"weights", out.weights}, {"scores", out.scores}});
    }
    if (tile_) {
      reported_.emplace_back("tile",
                             attention_tile(q_, k_, found("lse"), call_, tile_->rows, tile_->keys));
    }
    write();
    if (options_.time)
      std::fprintf(stderr, "%s\n", to_line({{"ms", static_cast<float>(ms)}}).c_str());
  }

 private:
  /// What --time is about.
  void compute() {
    computed_.clear();
    if (report_want_) {
      ProgressBar bar(context_, "attending", "blocks");
      report_want_->progress = bar.callback();
      const AttentionReport report = attention_report(q_, k_, v_, call_, *report_want_);
      add_named({{"y", report.y}, {"lse", report.lse}});
      reported_ = named_arrays(report, *report_want_);
    } else {
      const AttentionOutputs out = attention_outputs(q_, k_, v_, call_, want_);
      add_named({{"y", out.y}, {"lse", out.lse}, {"weights", out.weights}, {"scores", out.scores}});
    }
    if (dy_.defined()) differentiate();
  }

  void differentiate() {
    const bool relative = call_.relative.has_value();
    const AttentionGradients result =
        attention_backward(q_, k_, v_, call_, found("y"), found("lse"), dy_,
                           {.bias = !call_.mask.additives().empty(),
                            .alibi = call_.alibi.defined(),
                            .t5_table = relative,
                            .sinks = call_.sinks.defined()});
    gradients_ = {{"dq", result.dq}, {"dk", result.dk}, {"dv", result.dv}};
    if (!result.dbias.empty()) gradients_.emplace_back("dbias", result.dbias.front());
    if (result.dalibi.defined()) gradients_.emplace_back("dalibi", result.dalibi);
    if (relative) gradients_.emplace_back("dt5_table", result.dt5_table);
    if (result.dsinks.defined()) gradients_.emplace_back("dsinks", result.dsinks);
  }

  void add_named(const NamedTensors& arrays) {
    for (const auto& array : arrays) {
      if (array.second.defined()) computed_.push_back(array);
    }
  }
  Tensor found(std::string_view name) const { return find_tensor(computed_, name); }
  void write() const {
    for (const auto& [name, file] :
         {std::pair("y", options_.y), std::pair("lse", options_.lse),
          std::pair("weights", options_.weights), std::pair("scores", options_.scores)}) {
      if (!file.empty()) write_npy(file, found(name));
    }
    if (!options_.grads.empty()) write_npz(options_.grads, gradients_);
    if (!options_.save.empty()) {
      const int64_t map = report_want_ ? report_want_->map : 0;
      save_attend(report_want_ || tile_ ? reported_ : computed_,
                  {"map" + std::to_string(map), tile_.value_or(AttendTile{})}, options_.save);
    }
    if (context_.json) {
      NamedTensors all = computed_;
      all.insert(all.end(), reported_.begin(), reported_.end());
      all.insert(all.end(), gradients_.begin(), gradients_.end());
      return print_shapes(all);
    }
    for (const auto& [name, array] : computed_) print(description(name, array) + "\n");
    for (const auto& [name, array] : reported_) {
      print(description(name, array) + range_of(array) + "\n");
    }
    for (const auto& [name, array] : gradients_) print(description(name, array) + "\n");
  }

  const Context& context_;
  const Options& options_;
  Tensor q_, k_, v_, dy_;
  AttentionOptions call_;
  AttentionWant want_;
  std::optional<AttentionReportWant> report_want_;
  std::optional<AttendTile> tile_;
  NamedTensors computed_;  // y, lse, weights, scores: those there are
  NamedTensors reported_;
  NamedTensors gradients_;
};

void run_attend(const Context& context, const Options& options) {
  check_files(options);
  Call(context, options).run();
}

CLI::Option* add_text(CLI::App& command, const char* name, std::string& value, const char* type,
                      const char* text) {
  return command.add_option(name, value, text)->type_name(type)->check(not_empty(type));
}

void add_masks(CLI::App& command, Options& options) {
  constexpr const char* kGroup = "Which keys a query sees";
  const auto add = [&](const char* name, std::string& value, const char* type, const char* text) {
    return add_text(command, name, value, type, text)->group(kGroup);
  };
  add("--causal", options.causal, "top-left|bottom-right|OFFSETS.npy",
      "Query i sees keys up to i, up to i + S - T, or up to i + its batch row's offset.");
  add("--window", options.window, "LEFT,RIGHT",
      "Query at p sees keys p - LEFT to p + RIGHT; -1 leaves a side open.");
  add("--lengths", options.lengths, "N.npy", "How many keys each batch row has: integers [B].");
  CLI::Option* of_queries = add("--segments-q", options.segments_q, "CU.npy",
                                "Where packed sequences start among the queries, and T: B = 1.");
  CLI::Option* of_keys = add("--segments-k", options.segments_k, "CU.npy",
                             "Where the same sequences start among the keys, and S.");
  of_queries->needs(of_keys);
  of_keys->needs(of_queries);
  add("--mask", options.mask, "M.npy", "Booleans that broadcast to [B, H, T, S]: true is visible.");
}

void add_scores(CLI::App& command, Options& options) {
  constexpr const char* kGroup = "How scores come about";
  command.add_option("--scale", options.scale, "Factor on q.k; 1 / sqrt(D) if not given.")
      ->type_name("X")
      ->group(kGroup);
  command
      .add_option("--softcap", options.softcap,
                  "Bend scaled products x to X tanh(x / X); 0 leaves them.")
      ->type_name("X")
      ->group(kGroup);
  const auto add = [&](const char* name, std::string& value, const char* type, const char* text) {
    return add_text(command, name, value, type, text)->group(kGroup);
  };
  add("--bias", options.bias, "B.npy",
      "Numbers to add that broadcast to [B, H, T, S]; -inf hides a key.");
  add("--alibi", options.alibi, "SLOPES.npy", "Add -slope x distance: slopes [H].");
  CLI::Option* table = add("--t5-table", options.t5_table, "T.npy",
                           "Add T5's bias by the bucket of the distance: [buckets, H].");
  command
      .add_flag("--t5-bidirectional", options.t5_bidirectional,
                "Give half of the buckets to keys after the query.")
      ->needs(table)
      ->group(kGroup);
  command
      .add_option("--t5-max-distance", options.t5_max_distance,
                  "The distance from which all share a bucket.")
      ->type_name("N")
      ->needs(table)
      ->group(kGroup);
  add("--sinks", options.sinks, "S.npy", "One more logit a head, with no value: [H].");
}

void add_outputs(CLI::App& command, Options& options) {
  constexpr const char* kGroup = "What to keep";
  const auto add = [&](const char* name, std::string& value, const char* type, const char* text) {
    return add_text(command, name, value, type, text)->group(kGroup);
  };
  add("--y", options.y, "F.npy", "Write the result [B, H, T, E], in q's dtype.");
  add("--lse", options.lse, "F.npy", "Write the log of each row's sum of exponentials [B, H, T].");
  add("--weights", options.weights, "F.npy", "Write the softmax [B, H, T, S].");
  add("--scores", options.scores, "F.npy",
      "Write what the softmax is taken of [B, H, T, S], -inf where hidden.");
  add("--save", options.save, "FILE",
      "Write what --report, --keys, --bins and --tile tell; without them y, lse and what else is "
      "computed. "
      "Arrays by name in .npz, .json or .csv; maps and tile as a picture in .png, .svg, .pdf "
      "or .html.");
  add("--report", options.report, "NAMES",
      "Tell where queries look, without a T x S matrix: entropy, perplexity, max, squares, "
      "distance, first, self, previous, received, top8 (up to 64), map256 (up to 1024), window16; "
      "by commas.");
  add_repeated_option(command, "--keys", options.keys,
                      "Tell each query's weight on these keys together, as in 0,5,17; once more "
                      "for another list.")
      ->type_name("LIST")
      ->check(not_empty("LIST"))
      ->group(kGroup);
  add("--bins", options.bins, "EDGES",
      "Tell each query's weight on the keys from each of these to before the next, as in "
      "0,64,128.");
  add("--tile", options.tile, "r0:r1,c0:c1",
      "Recompute the weights of queries r0 to r1 - 1 by keys c0 to c1 - 1.");
  CLI::Option* grad_y = add("--grad-y", options.grad_y, "DY.npy",
                            "Compute gradients from y's, of y's shape and q's dtype.");
  CLI::Option* grads = add("--grads", options.grads, "F.npz",
                           "Write dq, dk, dv, and of what is given dbias, dalibi, dt5_table, "
                           "dsinks.");
  grad_y->needs(grads);
  grads->needs(grad_y);
  command.add_flag("--time", options.time, "Print {\"ms\": X} on standard error.")->group(kGroup);
}

}  // namespace

void add_attend(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "attend",
       .summary = "Compute attention on arrays from .npy files.",
       .details =
           "q is [B, H, T, D], k [B, G, S, D], v [B, G, S, E], H a multiple of G; f32, f16, or "
           "bf16 as uint16 with --bf16. Key j stands at position j, query i at i + S - T unless "
           "--causal, --lengths or segments say otherwise. Prints the names and shapes of what it "
           "computed.",
       .example = "heed attend q.npy k.npy v.npy --causal bottom-right --y y.npy"},
      [&context, options] { run_attend(context, *options); });
  command.add_option("Q.npy", options->q, "Queries.")->required();
  command.add_option("K.npy", options->k, "Keys.")->required();
  command.add_option("V.npy", options->v, "Values.")->required();
  command.add_flag("--bf16", options->bf16, "Read uint16 arrays as bf16.");
  add_masks(command, *options);
  add_scores(command, *options);
  add_outputs(command, *options);
}

}  // namespace heed::cli
