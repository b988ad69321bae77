// What reports, masks and biases cost beside plain attention, interleaved in one run; prints
// Markdown.
//   bench_report [ROUNDS] [THREADS]       the table of costs
//   bench_report memory TOKENS [HEADS [WINDOW]]  peak memory of every statistic at once, and a
//                                         tile; D 128, causal, WINDOW keys a query (0: all)
//   bench_report masks [ROUNDS] [THREADS] what each kind of mask and bias adds for a visible pair
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "heed/base/parallel.h"
#include "heed/kernels/dispatch.h"
#include "heed/ops/attention_report.h"

namespace {

using heed::Align;
using heed::AttentionOptions;
using heed::AttentionReportWant;
using heed::Mask;
using heed::Tensor;

struct Inputs {
  Tensor q, k, v;
};

/// q, k and v as one fused projection leaves them: views of [1, T, 3, H, D].
Inputs random_inputs(int64_t heads, int64_t tokens, int64_t head_dim) {
  const Tensor all = Tensor::empty({1, tokens, 3, heads, head_dim});
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  for (float& x : all.span<float>()) x = normal(generator);
  const auto part = [&](int64_t i) { return all.select(2, i).transpose(1, 2); };
  return {part(0), part(1), part(2)};
}

/// Processor seconds of this process: a neighbour that takes the processor away is not counted.
double seconds_of(const std::function<void()>& run) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  };
  const double start = now();
  run();
  return now() - start;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Kind {
  const char* name;
  AttentionReportWant want;
};

std::vector<Kind> kinds() {
  AttentionReportWant everything = AttentionReportWant::all_rows();
  everything.top = 8;
  everything.received = true;
  everything.map = 256;
  return {{"rows", AttentionReportWant::all_rows()},
          {"map 256", {.map = 256}},
          {"top 8", {.top = 8}},
          {"received", {.received = true}},
          {"all four", everything}};
}

void print_costs(int rounds) {
  std::string head = "| T x D | plain, ms |", line = "|---|---|";
  for (const Kind& kind : kinds()) {
    head += fmt::format(" {} |", kind.name);
    line += "---|";
  }
  fmt::print("{}\n{}\n", head, line);
  struct Cell {
    int64_t tokens, head_dim;
    bool causal;
    int repeats;  // more where a run is short
  };
  for (const Cell& cell :
       {Cell{2048, 64, false, 4}, Cell{2048, 64, true, 4}, Cell{4096, 64, false, 2},
        Cell{4096, 128, false, 1}, Cell{8192, 64, false, 1}, Cell{16384, 64, false, 1}}) {
    const Inputs in = random_inputs(1, cell.tokens, cell.head_dim);
    const AttentionOptions options{.mask = cell.causal ? Mask::causal(Align::top_left) : Mask()};
    const auto plain = [&] {
      return seconds_of([&] { heed::attention(in.q, in.k, in.v, options); });
    };
    // Fresh memory is paid for once, by neither.
    heed::attention_report(in.q, in.k, in.v, options, kinds().back().want);
    std::vector<double> alone{plain(), plain()};
    std::vector<std::vector<double>> ratios(kinds().size());
    for (int round = 0; round < rounds * cell.repeats; ++round) {
      for (size_t i = 0; i < ratios.size(); ++i) {
        // Each report between two plain runs: what else the machine does meets both.
        const AttentionReportWant want = kinds()[i].want;
        const double reporting =
            seconds_of([&] { heed::attention_report(in.q, in.k, in.v, options, want); });
        alone.push_back(plain());
        ratios[i].push_back(reporting / ((alone.back() + alone[alone.size() - 2]) / 2));
      }
    }
    std::string row = fmt::format("| {} x {}{} | {:.1f} |", cell.tokens, cell.head_dim,
                                  cell.causal ? " causal" : "", median(alone) * 1e3);
    for (const auto& ratio : ratios) row += fmt::format(" {:+.0f} % |", (median(ratio) - 1) * 100);
    fmt::print("{}\n", row);
    std::fflush(stdout);
  }
}

struct Option {
  const char* name;
  AttentionOptions options;
  double visible;  // of all pairs
};

std::vector<Option> mask_options(int64_t heads, int64_t tokens) {
  const Tensor visible = Tensor::empty({tokens, tokens}, heed::DType::boolean);
  const Tensor bias = Tensor::empty({tokens, tokens});
  for (int64_t i = 0; i < visible.numel(); ++i) {  // hidden ones are everywhere: none is skipped
    visible.span<bool>()[static_cast<size_t>(i)] = i % 3 != 0;
    bias.span<float>()[static_cast<size_t>(i)] = static_cast<float>(i % 17) / 8;
  }
  std::vector<int64_t> starts;
  for (int64_t i = 0; i <= 8; ++i) starts.push_back(tokens * i / 8);
  const Mask causal = Mask::causal(Align::top_left);
  const auto t = static_cast<double>(tokens);
  const auto window = [&](double keys) { return keys / t * (1 - (keys - 1) / (2 * t)); };
  AttentionOptions capped{.softcap = 30}, dropped;
  dropped.dropout.probability = 0.1F;
  return {{"causal", {.mask = causal}, (t + 1) / (2 * t)},
          {"window 256", {.mask = causal & Mask::window(255, 0)}, window(256)},
          {"window 1024", {.mask = causal & Mask::window(1023, 0)}, window(1024)},
          {"lengths of 3/4", {.mask = Mask::padding({tokens * 3 / 4})}, 0.75},
          {"8 segments", {.mask = Mask::segments(starts, starts)}, 0.125},
          {"boolean mask", {.mask = Mask::boolean(visible)}, 1},
          {"additive mask", {.mask = Mask::additive(bias)}, 1},
          {"ALiBi", {.alibi = Tensor::full({heads}, 0.1F)}, 1},
          {"softcap", capped, 1},
          {"dropout", dropped, 1}};
}

/// Each option between two plain runs; a pair that a boolean mask hides is computed and counts.
void print_mask_costs(int rounds) {
  constexpr int64_t kHeads = 12, kTokens = 2048, kHeadDim = 64;
  fmt::print("| {} x {} x {} | f32 | bf16 |\n|---|---|---|\n", kHeads, kTokens, kHeadDim);
  for (const Option& option : mask_options(kHeads, kTokens)) {
    std::string row = fmt::format("| {} |", option.name);
    for (const heed::DType dtype : {heed::DType::f32, heed::DType::bf16}) {
      const Inputs wide = random_inputs(kHeads, kTokens, kHeadDim);
      const Inputs in{wide.q.to(dtype), wide.k.to(dtype), wide.v.to(dtype)};
      const auto timed = [&](const AttentionOptions& options) {
        return seconds_of([&] { heed::attention(in.q, in.k, in.v, options); });
      };
      std::vector<double> alone{timed({}), timed({})}, ratios;
      for (int round = 0; round < rounds; ++round) {
        const double seconds = timed(option.options);
        alone.push_back(timed({}));
        ratios.push_back(seconds / option.visible / ((alone.back() + *(alone.end() - 2)) / 2));
      }
      row += fmt::format(" {:+.0f} % |", (median(ratios) - 1) * 100);
    }
    fmt::print("{}\n", row);
    std::fflush(stdout);
  }
}

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void print_memory(int64_t tokens, int64_t heads, int64_t window) {
  const Inputs in = random_inputs(heads, tokens, 128);
  // Outputs are touched beforehand, so that what is above them shows.
  AttentionReportWant want = kinds().back().want;
  const int64_t rows = heads * tokens;
  const int64_t outputs = rows * (128 + 1 + 8 + 8) * 4 + rows * (1 + 8) * 8 + rows * (4 + 4 + 8) +
                          heads * 256 * 256 * 12;
  const double before = peak_mib();
  want.progress = [](int64_t done, int64_t total) {
    if (done % 64 == 0 || done == total) fmt::print(stderr, "\r{}/{} blocks", done, total);
  };
  const Mask causal = Mask::causal(Align::top_left);
  const AttentionOptions options{.mask =
                                     window > 0 ? causal & Mask::window(window - 1, 0) : causal};
  heed::AttentionReport report;
  const double seconds =
      seconds_of([&] { report = heed::attention_report(in.q, in.k, in.v, options, want); });
  const double output_mib = static_cast<double>(outputs) / (1 << 20);
  fmt::print(stderr, "\n");
  fmt::print(
      "{} heads x {} tokens x 128, {} threads: {:.0f} s, {:.0f} MiB above the inputs, "
      "{:.0f} of them outputs\n",
      heads, tokens, heed::num_threads(), seconds, peak_mib() - before, output_mib);
  const int64_t edge = std::min<int64_t>(1024, tokens);
  const auto tile = [&] {
    heed::attention_tile(in.q, in.k, report.lse, options, {tokens - edge, tokens}, {0, edge});
  };
  tile();
  fmt::print("a tile of {} x {}: {:.0f} ms of processor time for {} heads\n", edge, edge,
             seconds_of(tile) * 1e3, heads);
}

}  // namespace

int main(int count, char** arguments) {
  const auto number = [&](int i, int otherwise) {
    return count > i ? std::atoi(arguments[i]) : otherwise;
  };
  if (count > 2 && std::string(arguments[1]) == "memory") {
    print_memory(number(2, 0), number(3, 1), number(4, 0));
    return 0;
  }
  if (count > 1 && std::string(arguments[1]) == "masks") {
    heed::set_num_threads(number(3, 1));
    print_mask_costs(number(2, 9));
    return 0;
  }
  heed::set_num_threads(number(2, 1));
  fmt::print("{}, {} thread(s), f32; what a report adds to plain attention's processor time\n\n",
             to_string(heed::kernels::active_isa()), heed::num_threads());
  print_costs(number(1, 9));
}
