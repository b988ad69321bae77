#include "heed/ops/attention_backward.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "heed/base/error.h"
#include "heed/kernels/attention_backward.h"
#include "heed/ops/attention_plan.h"
#include "heed/ops/chunks.h"

namespace heed {
namespace {

using kernels::AttentionPairs;
using kernels::AttentionProblem;
using kernels::AttentionRows;
using kernels::AttentionTurns;
using kernels::kBackwardKeys;
using kernels::kBackwardQueries;
using kernels::KeyRange;

[[noreturn]] void refuse(const std::string& text) {
  throw Error(ErrorCode::invalid_argument, "attention_backward: " + text);
}

void expect_has(bool wanted, bool has, const char* gradient, const char* option) {
  if (!wanted || has) return;
  refuse(std::string(gradient) + " is wanted but the options have no " + option);
}

void check(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
           const Tensor& y, const Tensor& lse, const Tensor& dy,
           const AttentionGradientWant& want) {
  Dims dims("attention_backward");
  dims.bind("q", q, "B H T D").bind("k", k, "B G S D").bind("v", v, "B G S E");
  dims.bind("y", y, "B H T E", q.dtype()).bind("lse", lse, "B H T", DType::f32);
  dims.bind("dy", dy, "B H T E", q.dtype());
  if (!want.places.empty()) {
    if (want.places.size() != 3 || !want.q || !want.k || !want.v) {
      refuse("needed places for dq, dk and dv, all wanted, or none, found " +
             std::to_string(want.places.size()));
    }
    dims.bind("dq", want.places[0], "B H T D", q.dtype());
    dims.bind("dk", want.places[1], "B G S D", k.dtype());
    dims.bind("dv", want.places[2], "B G S E", v.dtype());
    if (q.dtype() != DType::f32) refuse("dq, dk and dv are written to f32 places alone");
  }
  if (!lse.is_contiguous()) refuse("lse must be contiguous, as attention_outputs gives it");
  expect_has(want.bias, !options.mask.additives().empty(), "dbias", "additive mask");
  expect_has(want.alibi, options.alibi.defined(), "dalibi", "alibi");
  expect_has(want.t5_table, options.relative.has_value(), "dt5_table", "relative");
  expect_has(want.sinks, options.sinks.defined(), "dsinks", "sinks");
}

/// Who may add to dq next: for each block of queries of each head, the key at which the next block
/// of keys begins.
class Turns final : public AttentionTurns {
 public:
  using Next = std::atomic<int64_t>;

  /// next: one for each head's whole, then one for each of its blocks of queries.
  Turns(Next* next, int64_t blocks) : next_(next), blocks_(blocks) {}
  void take(int64_t h, int64_t block, KeyRange keys) override {
    // The one waited for began earlier and is under way: wait as briefly as it takes.
    constexpr int kSpins = 4096;
    const Next& next = at(h, block);
    for (int spins = 0; next.load(std::memory_order_acquire) != keys.begin; ++spins) {
      if (spins >= kSpins) std::this_thread::yield();
    }
  }
  void pass(int64_t h, int64_t block, KeyRange keys) override {
    at(h, block).store(keys.end, std::memory_order_release);
  }

 private:
  static_assert(kWholeHead == -1);
  Next& at(int64_t h, int64_t block) const { return next_[h * (blocks_ + 1) + block + 1]; }
  Next* next_;
  int64_t blocks_;
};

/// A block of keys of one head, batch row and part.
struct Task {
  size_t part;
  int64_t b, g;
  KeyRange keys;
  int64_t round;  // tasks of one round share no element of a mask's gradient
};

/// One call: the plan's parts with their gradients, and the tasks that fill them.
class Backward {
 public:
  Backward(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
           const Tensor& y, const Tensor& lse, const Tensor& dy, const AttentionGradientWant& want)
      : plan_(q, k, v, options), options_(options), want_(want), lse_(lse) {
    allocate(k.dtype());
    set_parts(attention_rows("y", y), attention_rows("dy", dy));
  }

  AttentionGradients run(DType dtype) {
    if (!parts_.empty()) {
      add_deltas();
      add_keys();
    }
    if (want_.q) out_.dq = dq_.to(dtype).transpose(1, 2);
    fold_biases();
    if (want_.sinks) fold_sinks();
    if (want_.alibi || want_.t5_table) fold_distances();
    return std::move(out_);
  }

 private:
  /// A part of the plan.
  struct Part {
    kernels::AttentionGradients to;
    std::vector<AttentionPairs> pairs;
    Tensor diagonals;
    int64_t blocks = 0;  // of queries
    int64_t turns = 0;   // index of the first
  };

  void allocate(DType k);
  void set_parts(const AttentionRows<std::byte>& y, const AttentionRows<std::byte>& dy);
  std::vector<Task> make_tasks() const;
  std::unique_ptr<Turns::Next[]> make_turns() const;
  void add_deltas();
  void add_keys();
  void run_round(const Task* tasks, int64_t count, Turns::Next* turns,
                 const WorkerScratch& scratch);
  void fold_biases();
  void fold_sinks();
  void fold_distances();
  const AttentionProblem& problem(size_t part) const { return plan_.parts()[part].problem; }

  AttentionPlan plan_;
  const AttentionOptions& options_;
  const AttentionGradientWant& want_;
  Tensor lse_, delta_;
  Tensor dq_;                       // [B, T, H, D], f32
  Tensor row_sums_, key_sums_;      // [B, H, T], [B, H, S]
  std::vector<Tensor> bias_views_;  // of dbias, broadcast to [B, H, T, S]
  std::vector<Part> parts_;
  AttentionGradients out_;
};

bool has_queries(const Tensor& view) { return view.stride(2) != 0 || view.size(2) == 1; }
bool has_keys(const Tensor& view) { return view.stride(3) != 0 || view.size(3) == 1; }
bool has_pairs(const Tensor& view) { return has_queries(view) && has_keys(view); }

/// x [B, T, H, D], the last dimension contiguous.
void clear(const Tensor& x) {
  if (x.numel() == 0) return;
  const bool together = x.stride(2) == x.size(3);  // heads side by side
  const int64_t runs = together ? 1 : x.size(2), run = x.size(2) * x.size(3) / runs;
  parallel_rows(x.size(0) * x.size(1), run * runs, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * runs; i < end * runs; ++i) {
      const int64_t row = i / runs;
      std::fill_n(x.data<float>() + row / x.size(1) * x.stride(0) + row % x.size(1) * x.stride(1) +
                      i % runs * x.stride(2),
                  run, 0.0F);
    }
  });
}

void Backward::allocate(DType k) {
  const int64_t b = plan_['B'], h = plan_['H'], g = plan_['G'], t = plan_['T'], s = plan_['S'];
  delta_ = Tensor::empty({b, h, t});
  if (!want_.places.empty()) {
    dq_ = want_.places[0].transpose(1, 2);
    clear(dq_);
    out_.dk = want_.places[1];
    out_.dv = want_.places[2];
  } else {
    if (want_.q) dq_ = Tensor::zeros({b, t, h, plan_['D']});
    if (want_.k) out_.dk = Tensor::empty({b, s, g, plan_['D']}, k).transpose(1, 2);
    if (want_.v) out_.dv = Tensor::empty({b, s, g, plan_['E']}, k).transpose(1, 2);
  }
  if (want_.alibi) out_.dalibi = Tensor::zeros({h});
  if (want_.t5_table) out_.dt5_table = Tensor::zeros(options_.relative->table.shape());
  if (want_.sinks) out_.dsinks = Tensor::zeros({h});
  if (!want_.bias) return;
  for (const Tensor& mask : options_.mask.additives()) {
    out_.dbias.push_back(Tensor::zeros(mask.shape()));
    bias_views_.push_back(out_.dbias.back().expand({b, h, t, s}));
    const Tensor& view = bias_views_.back();
    if (has_pairs(view)) continue;
    Tensor& sums = has_keys(view) ? key_sums_ : row_sums_;
    if (!sums) sums = Tensor::zeros({b, h, has_keys(view) ? s : t});
  }
}

void Backward::set_parts(const AttentionRows<std::byte>& y, const AttentionRows<std::byte>& dy) {
  const auto from = [](const AttentionRows<std::byte>& rows, int64_t first) {
    return AttentionRows<const std::byte>{rows.at(0, 0, first), rows.batch, rows.head, rows.row,
                                          rows.element};
  };
  const auto to_rows = [](const Tensor& tensor, int64_t first) {
    if (!tensor) return AttentionRows<std::byte>();
    AttentionRows<std::byte> rows = attention_rows("a gradient", tensor);
    rows.data = rows.at(0, 0, first);
    return rows;
  };
  int64_t turns = 0;
  for (const AttentionPlan::Part& planned : plan_.parts()) {
    const int64_t first = planned.first_query;
    const AttentionProblem& its = planned.problem;
    Part& part = parts_.emplace_back();
    part.to = {.y = from(y, first),
               .dy = from(dy, first),
               .lse = lse_.data<float>() + first,
               .delta = delta_.data<float>() + first,
               .dq = to_rows(want_.q ? dq_.transpose(1, 2) : dq_, first),
               .dk = to_rows(out_.dk, planned.first_key),
               .dv = to_rows(out_.dv, planned.first_key)};
    if (row_sums_) part.to.row_sums = row_sums_.data<float>() + first;
    if (key_sums_) part.to.key_sums = key_sums_.data<float>() + planned.first_key;
    for (const Tensor& view : bias_views_) {
      if (!has_pairs(view)) continue;
      AttentionPairs pairs{view.data<float>(), view.stride(0), view.stride(1), view.stride(2)};
      pairs.data = pairs.at(0, 0, first, planned.first_key);
      part.pairs.push_back(pairs);
    }
    part.to.pairs = part.pairs;
    if (want_.alibi || want_.t5_table) {
      const int64_t diagonals = std::max<int64_t>(its.queries + its.keys - 1, 0);
      part.diagonals = Tensor::zeros({planned.batch, its.heads, diagonals});
      part.to.diagonals = part.diagonals.data<float>();
      part.to.diagonal_pitch = diagonals;
    }
    part.blocks = (its.queries + kBackwardQueries - 1) / kBackwardQueries;
    part.turns = turns;
    turns += planned.batch * its.heads * (part.blocks + 1);
  }
}

/// Keys in a task: enough tasks for a few threads where there is one head, large ones where there
/// are many keys. From the keys alone, so that no bit depends on threads or on other heads: where
/// biases by distance and masks of one number a row get their gradient, the sums are cut here.
int64_t keys_per_task(int64_t keys) {
  return keys >= 4 * kBackwardKeys ? kBackwardKeys : kBackwardKeys / 2;
}

std::vector<Task> Backward::make_tasks() const {
  bool shared_batch = false, shared_heads = false;
  for (const Tensor& view : bias_views_) {
    shared_batch |= has_pairs(view) && view.stride(0) == 0;
    shared_heads |= has_pairs(view) && view.stride(1) == 0;
  }
  const int64_t kv_heads = plan_['G'];
  std::vector<Task> tasks;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const int64_t keys = problem(i).keys;
    const int64_t size = keys_per_task(keys);
    for (int64_t b = 0; b < plan_.parts()[i].batch; ++b) {
      for (int64_t g = 0; g < kv_heads; ++g) {
        const int64_t round =
            (shared_batch ? b * (shared_heads ? kv_heads : 1) : 0) + (shared_heads ? g : 0);
        for (int64_t at = 0; at < keys; at += size) {
          tasks.push_back({i, b, g, {at, std::min(at + size, keys)}, round});
        }
      }
    }
  }
  std::stable_sort(tasks.begin(), tasks.end(),
                   [](const Task& a, const Task& b) { return a.round < b.round; });
  return tasks;
}

std::unique_ptr<Turns::Next[]> Backward::make_turns() const {
  const Part& last = parts_.back();
  const int64_t count = last.turns + plan_.parts().back().batch * plan_['H'] * (last.blocks + 1);
  auto turns = std::make_unique<Turns::Next[]>(static_cast<size_t>(count));  // of 0
  for (size_t i = 0; i < parts_.size(); ++i) {
    Turns::Next* next = turns.get() + parts_[i].turns;
    const int64_t size = keys_per_task(problem(i).keys);
    for (int64_t head = 0; head < plan_.parts()[i].batch * plan_['H']; ++head) {
      ++next;  // a whole head's begins at 0
      for (int64_t block = 0; block < parts_[i].blocks; ++block) {
        const int64_t first = block * kBackwardQueries;
        const KeyRange seen =
            kernels::visible_keys(problem(i), head / plan_['H'], first,
                                  std::min(kBackwardQueries, problem(i).queries - first));
        (next++)->store(seen.begin / size * size, std::memory_order_relaxed);
      }
    }
  }
  return turns;
}

void Backward::add_deltas() {
  // Rows know nothing of segments: the first part's strides serve all.
  const int64_t blocks = (plan_['T'] + kBackwardQueries - 1) / kBackwardQueries;
  parallel_for(plan_['B'] * plan_['H'] * blocks, [&](int64_t task, int) {
    const int64_t head = task / blocks;
    const int64_t first = task % blocks * kBackwardQueries;
    kernels::attention_deltas(problem(0), parts_[0].to, head / plan_['H'], head % plan_['H'], first,
                              std::min(kBackwardQueries, plan_['T'] - first));
  });
}

void Backward::add_keys() {
  int64_t bytes = 0;
  for (size_t i = 0; i < parts_.size(); ++i) {
    bytes = std::max(bytes, kernels::attention_backward_scratch_bytes(problem(i)));
  }
  const WorkerScratch scratch(bytes);  // not by tasks: who throws leaves others waiting for a turn
  const std::unique_ptr<Turns::Next[]> turns = make_turns();
  const std::vector<Task> tasks = make_tasks();
  for (size_t begin = 0; begin < tasks.size();) {
    size_t end = begin;
    while (end < tasks.size() && tasks[end].round == tasks[begin].round) ++end;
    run_round(&tasks[begin], static_cast<int64_t>(end - begin), turns.get(), scratch);
    begin = end;
  }
}

void Backward::run_round(const Task* tasks, int64_t count, Turns::Next* turns,
                         const WorkerScratch& scratch) {
  // Tasks are drawn in this order whatever the pool's: who waits, waits for one that runs.
  std::atomic<int64_t> drawn = 0;
  parallel_for(count, [&](int64_t, int worker) {
    const Task& task = tasks[drawn.fetch_add(1, std::memory_order_relaxed)];
    const Part& part = parts_[task.part];
    Turns of_row(turns + part.turns + task.b * plan_['H'] * (part.blocks + 1), part.blocks);
    kernels::attention_backward(problem(task.part), part.to, task.b, task.g, task.keys, of_row,
                                scratch.of(worker));
  });
}

/// Adds sums [B, H, N] to a gradient that is broadcast over what they leave out.
void fold(const Tensor& sums, const Tensor& gradient, int64_t b_stride, int64_t h_stride,
          int64_t stride) {
  std::vector<double> totals(static_cast<size_t>(gradient.numel()));
  const float* from = sums.data<float>();
  for (int64_t b = 0; b < sums.size(0); ++b) {
    for (int64_t h = 0; h < sums.size(1); ++h) {
      for (int64_t i = 0; i < sums.size(2); ++i) {
        totals[static_cast<size_t>(b * b_stride + h * h_stride + i * stride)] +=
            static_cast<double>(*from++);
      }
    }
  }
  std::transform(totals.begin(), totals.end(), gradient.data<float>(),
                 [](double total) { return static_cast<float>(total); });
}

void Backward::fold_biases() {
  for (size_t i = 0; i < bias_views_.size(); ++i) {
    const Tensor& view = bias_views_[i];
    if (has_pairs(view)) continue;
    fold(has_keys(view) ? key_sums_ : row_sums_, out_.dbias[i], view.stride(0), view.stride(1),
         view.stride(has_keys(view) ? 3 : 2));
  }
}

void Backward::fold_sinks() {
  const int64_t heads = plan_['H'], queries = plan_['T'];
  parallel_for(heads, [&](int64_t h, int) {
    const float sink = options_.sinks.data<float>()[h];
    double total = 0;
    for (int64_t b = 0; b < plan_['B']; ++b) {
      const int64_t row = (b * heads + h) * queries;
      for (int64_t i = row; i < row + queries; ++i) {
        const float lse = lse_.data<float>()[i];
        if (std::isinf(lse)) continue;  // a sink of -inf, and nothing seen
        total -= static_cast<double>(std::exp(sink - lse)) *
                 static_cast<double>(delta_.data<float>()[i]);
      }
    }
    out_.dsinks.data<float>()[h] = static_cast<float>(total);
  });
}

void Backward::fold_distances() {
  const int64_t heads = plan_['H'];
  const int64_t buckets = want_.t5_table ? out_.dt5_table.size(0) : 0;
  for (int64_t h = 0; h < heads; ++h) {
    double slope = 0;
    std::vector<double> table(static_cast<size_t>(buckets));
    for (size_t i = 0; i < parts_.size(); ++i) {
      for (int64_t b = 0; b < plan_.parts()[i].batch; ++b) {
        const int64_t pitch = parts_[i].to.diagonal_pitch;
        const float* sums = parts_[i].to.diagonals + (b * heads + h) * pitch;
        // The key's position minus the query's.
        int64_t distance = 1 - problem(i).queries - problem(i).position(b, 0);
        for (int64_t n = 0; n < pitch; ++n, ++distance) {
          const auto sum = static_cast<double>(sums[n]);
          slope -= sum * static_cast<double>(std::abs(distance));
          if (buckets == 0) continue;
          const RelativeBuckets& relative = *options_.relative;
          table[static_cast<size_t>(RelativeBuckets::bucket(
              distance, buckets, relative.bidirectional, relative.max_distance))] += sum;
        }
      }
    }
    if (want_.alibi) out_.dalibi.data<float>()[h] = static_cast<float>(slope);
    for (int64_t n = 0; n < buckets; ++n) {
      out_.dt5_table.at({n, h}) = static_cast<float>(table[static_cast<size_t>(n)]);
    }
  }
}

}  // namespace

AttentionGradients attention_backward(const Tensor& q, const Tensor& k, const Tensor& v,
                                      const AttentionOptions& options, const Tensor& y,
                                      const Tensor& lse, const Tensor& dy,
                                      const AttentionGradientWant& want) {
  check(q, k, v, options, y, lse, dy, want);
  return Backward(q, k, v, options, y, lse, dy, want).run(q.dtype());
}

}  // namespace heed
