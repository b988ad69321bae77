#include "heed/ops/attention_report.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "heed/base/cancel.h"
#include "heed/base/parallel.h"
#include "heed/kernels/attention.h"
#include "heed/kernels/attention_decode.h"
#include "heed/kernels/attention_report.h"
#include "heed/ops/attention_decode.h"
#include "heed/ops/attention_map.h"
#include "heed/ops/attention_plan.h"
#include "heed/ops/attention_report_check.h"

namespace heed {
namespace {

using kernels::AttentionProblem;

/// A list as the kernels want it: each row's keys ascending, none twice.
struct SortedList {
  std::vector<int64_t> keys;
  std::vector<int64_t> starts{0};

  explicit SortedList(const AttentionKeyList& list) {
    const std::vector<int64_t> all{0, static_cast<int64_t>(list.keys.size())};
    const std::vector<int64_t>& from = list.starts.empty() ? all : list.starts;
    for (size_t r = 0; r + 1 < from.size(); ++r) {
      const auto row =
          keys.insert(keys.end(), list.keys.begin() + from[r], list.keys.begin() + from[r + 1]);
      std::sort(row, keys.end());
      keys.erase(std::unique(row, keys.end()), keys.end());
      starts.push_back(static_cast<int64_t>(keys.size()));
    }
  }
};

/// One run of one head of one part, and its share of what is added up over queries.
struct Task {
  const AttentionPlan::Part* part;
  const kernels::AttentionReport* rows;  // what the part's rows report
  int64_t block;                         // queries of a call
  int64_t b, h;
  QueryRun run;
  AttentionMapPool::Share map;
  Tensor received;      // [S], f64
  Tensor received_max;  // [S]
  Tensor received_top;  // [S], i64
};

/// The keys and values of one head, one row after the other. A report's blocks may be small, and
/// each of them would bring together rows that lie apart.
class PackedHead {
 public:
  /// Whether a thread's blocks of so many queries would do so more than once.
  static bool pays(const AttentionProblem& problem, int64_t block) {
    constexpr int64_t kMostKeys = kernels::AttentionReport::kKeptKeys;  // a few MB
    return problem.keys <= kMostKeys && problem.queries > block * num_threads() &&
           problem.k.element == kernels::Element::f32 && problem.pages.table == nullptr &&
           (problem.k.row != problem.head_dim || problem.v.row != problem.value_dim);
  }

  /// Directs the part's problem to the packed rows of (b, g); they live until the next call.
  void pack(const AttentionPlan::Part& part, int64_t b, int64_t g, AttentionProblem& problem) {
    if (part_ != &part || b_ != b || g_ != g) {
      keys_ = rows(problem.k, b, g, problem.keys, problem.head_dim);
      values_ = rows(problem.v, b, g, problem.keys, problem.value_dim);
      part_ = &part;
      b_ = b;
      g_ = g;
    }
    problem.k = {keys_.raw_data(), 0, 0, problem.head_dim, kernels::Element::f32};
    problem.v = {values_.raw_data(), 0, 0, problem.value_dim, kernels::Element::f32};
  }

 private:
  static Tensor rows(const kernels::AttentionRows<const std::byte>& from, int64_t b, int64_t g,
                     int64_t n, int64_t size) {
    const Tensor packed = Tensor::empty({n, size});
    const int64_t bytes = size * static_cast<int64_t>(sizeof(float));
    for (int64_t s = 0; s < n; ++s) {
      std::memcpy(packed.raw_data() + s * bytes, from.at(b, g, s), static_cast<size_t>(bytes));
    }
    return packed;
  }

  const AttentionPlan::Part* part_ = nullptr;
  int64_t b_ = 0, g_ = 0;
  Tensor keys_, values_;
};

class Reporter {
 public:
  Reporter(AttentionPlan& plan, const AttentionReportWant& want, AttentionReport& out)
      : plan_(plan),
        want_(want),
        out_(out),
        map_(plan['B'], plan['H'], plan['T'], plan['S'], want.map) {
    for (const AttentionKeyList& list : want.lists) sorted_.emplace_back(list);
    if (want.received)
      received_.assign(static_cast<size_t>(plan['B'] * plan['H'] * plan['S']), 0.0);
    for (const AttentionPlan::Part& part : plan.parts()) {
      lists_.push_back(lists_of(part));
      rows_.push_back(rows_of(part, lists_.back()));
      block_.push_back(block_of(part, rows_.back()));
      const int64_t blocks = (part.problem.queries + block_.back() - 1) / block_.back();
      blocks_ += part.batch * part.problem.heads * blocks;
    }
  }

  void run() {
    const int64_t heads = plan_['B'] * plan_['H'];
    const WorkerScratch scratch(scratch_bytes());
    std::vector<Task> tasks;
    const int64_t enough = adds_up() ? int64_t{4} * num_threads() : INT64_MAX;
    for (int64_t head = 0; head < heads; ++head) {
      add_tasks(head / plan_['H'], head % plan_['H'], tasks);
      // Only so many heads at once keep what their runs add up.
      if (static_cast<int64_t>(tasks.size()) < enough && head + 1 < heads) continue;
      parallel_for(static_cast<int64_t>(tasks.size()), [&](int64_t i, int worker) {
        do_task(tasks[static_cast<size_t>(i)], worker, scratch.of(worker));
      });
      for (const Task& task : tasks) merge(task);
      tasks.clear();
    }
    if (want_.progress) want_.progress(blocks_, blocks_);
    finish();
  }

 private:
  bool adds_up() const { return want_.received || map_.on(); }

  /// Queries of one call. Where nothing is added up over them, bits do not depend on it.
  int64_t block_of(const AttentionPlan::Part& part, const kernels::AttentionReport& rows) const {
    AttentionProblem problem = part.problem;
    problem.report = &rows;
    return adds_up() ? kernels::attention_queries(problem) : queries_per_task(plan_, problem);
  }

  std::vector<kernels::KeyList> lists_of(const AttentionPlan::Part& part) const {
    std::vector<kernels::KeyList> lists;
    for (size_t i = 0; i < sorted_.size(); ++i) {
      const auto rows = static_cast<int64_t>(sorted_[i].starts.size()) - 1;
      const bool each = !want_.lists[i].starts.empty();
      lists.push_back({sorted_[i].keys.data(),
                       sorted_[i].starts.data() + (each ? part.first_query : 0),
                       each && rows != plan_['T'] ? plan_['T'] : 0, each ? 1 : 0});
    }
    return lists;
  }

  /// Where a part's rows are reported.
  kernels::AttentionReport rows_of(const AttentionPlan::Part& part,
                                   const std::vector<kernels::KeyList>& lists) {
    const auto at = [&]<class T>(const Tensor& tensor, T* /*type*/) -> T* {
      if (!tensor.defined()) return nullptr;
      const int64_t row = tensor.rank() == 4 ? tensor.size(3) : 1;
      return tensor.data<T>() + part.first_query * row;
    };
    const auto floats = [&](const Tensor& tensor) {
      return at(tensor, static_cast<float*>(nullptr));
    };
    const auto keys = [&](const Tensor& tensor) {
      return at(tensor, static_cast<int64_t*>(nullptr));
    };
    kernels::AttentionReport report{.entropy = floats(out_.entropy),
                                    .perplexity = floats(out_.perplexity),
                                    .squares = floats(out_.squares),
                                    .distance = floats(out_.distance),
                                    .first = floats(out_.first),
                                    .self = floats(out_.self),
                                    .previous = floats(out_.previous),
                                    .max = floats(out_.max),
                                    .max_key = keys(out_.max_key),
                                    .inside = floats(out_.inside),
                                    .outside = floats(out_.outside),
                                    .window = want_.window.value_or(0),
                                    .top = want_.top,
                                    .top_weights = floats(out_.top_weights),
                                    .top_keys = keys(out_.top_keys),
                                    .lists = lists,
                                    .listed = floats(out_.listed),
                                    .binned = floats(out_.binned),
                                    .first_key = part.first_key,
                                    .first_query = part.first_query};
    if (report.binned != nullptr) {
      report.bins = {want_.bins.data(), static_cast<int64_t>(want_.bins.size()) - 1};
    }
    // What is added up over queries is redirected to each task's own.
    if (map_.on()) report.map_keys = map_.key_bins();
    if (want_.received) report.received = received_.data();
    return report;
  }

  void add_tasks(int64_t b, int64_t h, std::vector<Task>& tasks) const {
    for (size_t i = 0; i < plan_.parts().size(); ++i) {
      const AttentionPlan::Part& part = plan_.parts()[i];
      const int64_t queries = part.problem.queries;
      for (const QueryRun run :
           adds_up() ? query_runs(queries, block_[i]) : query_blocks(queries, block_[i])) {
        tasks.push_back(
            {.part = &part, .rows = &rows_[i], .block = block_[i], .b = b, .h = h, .run = run});
      }
    }
  }

  /// Of the part that needs most.
  int64_t scratch_bytes() const {
    int64_t most = 0;
    for (size_t i = 0; i < rows_.size(); ++i) {
      most = std::max(most,
                      kernels::attention_report_scratch_bytes(plan_.parts()[i].problem, rows_[i]));
    }
    return kernels::attention_scratch_bytes(plan_['D'], plan_['E']) + most;
  }

  void do_task(Task& task, int worker, std::byte* scratch) {
    const AttentionPlan::Part& part = *task.part;
    AttentionProblem problem = part.problem;
    kernels::AttentionReport report = *task.rows;
    problem.report = &report;
    // y and lse are there already, from a kernel that does not report
    if (kernels::attention_decodes(problem)) problem.y = {};
    if (PackedHead::pays(problem, task.block)) {
      packed_[static_cast<size_t>(worker)].pack(part, task.b, problem.kv_head(task.h), problem);
    }
    if (map_.on()) {
      task.map = map_.share(part.first_query + task.run.first, part.first_query + task.run.end);
      report.map_rows = task.map.row_bins;
      report.map_sum = task.map.sum.data<double>();
      report.map_max = task.map.max.data<float>();
    }
    if (want_.received) {
      task.received = Tensor::zeros({problem.keys}, DType::f64);
      task.received_max = Tensor::zeros({problem.keys});
      report.received = task.received.data<double>();
      report.received_max = task.received_max.data<float>();
      if (want_.top > 0) {
        task.received_top = Tensor::zeros({problem.keys}, DType::i64);
        report.received_top = task.received_top.data<int64_t>();
      }
    }
    for (int64_t first = task.run.first; first < task.run.end; first += task.block) {
      check_cancelled();
      const int64_t queries = std::min(task.block, task.run.end - first);
      kernels::attention(problem, task.b, task.h, first, queries, scratch);
      if (want_.received) {
        kernels::attention_received(problem, task.b, task.h, first, queries, scratch);
      }
      const int64_t done = done_.fetch_add(1) + 1;
      if (want_.progress && worker == 0) want_.progress(done, blocks_);
    }
  }

  void merge(const Task& task) {
    const int64_t head = task.b * plan_['H'] + task.h;
    if (map_.on()) map_.add(head, task.map);
    if (!want_.received) return;
    const int64_t at = head * plan_['S'] + task.part->first_key;
    const int64_t keys = task.part->problem.keys;
    double* sum = received_.data() + at;
    float* most = out_.received_max.data<float>() + at;
    for (int64_t s = 0; s < keys; ++s) {
      sum[s] += task.received.data<double>()[s];
      most[s] = std::max(most[s], task.received_max.data<float>()[s]);
    }
    if (want_.top == 0) return;
    int64_t* rows = out_.received_top.data<int64_t>() + at;
    for (int64_t s = 0; s < keys; ++s) rows[s] += task.received_top.data<int64_t>()[s];
  }

  void finish() {
    if (want_.map > 0) out_.map = map_.finish();
    if (!want_.received) return;
    const auto sums = out_.received.span<float>();
    for (size_t i = 0; i < sums.size(); ++i) {
      sums[i] = static_cast<float>(received_[i]);
    }
  }

  AttentionPlan& plan_;
  const AttentionReportWant& want_;
  AttentionReport& out_;
  AttentionMapPool map_;
  std::vector<SortedList> sorted_;
  std::vector<std::vector<kernels::KeyList>> lists_;                    // of each part
  std::vector<kernels::AttentionReport> rows_;                          // of each part
  std::vector<int64_t> block_;                                          // of each part
  std::vector<PackedHead> packed_{static_cast<size_t>(num_threads())};  // of each worker
  std::vector<double> received_;                                        // [B, H, S]
  int64_t blocks_ = 0;
  std::atomic<int64_t> done_{0};
};

AttentionReport allocate(const AttentionPlan& plan, const AttentionReportWant& want) {
  const int64_t batch = plan['B'], heads = plan['H'], queries = plan['T'], keys = plan['S'];
  const auto rows = [&](bool wanted, DType dtype = DType::f32) {
    return wanted ? Tensor::empty({batch, heads, queries}, dtype) : Tensor();
  };
  const auto wide = [&](int64_t n, DType dtype = DType::f32) {
    return n > 0 ? Tensor::empty({batch, heads, queries, n}, dtype) : Tensor();
  };
  const auto by_key = [&](bool wanted, DType dtype = DType::f32) {
    return wanted ? Tensor::zeros({batch, heads, keys}, dtype) : Tensor();
  };
  return {.entropy = rows(want.entropy),
          .perplexity = rows(want.perplexity),
          .max = rows(want.max),
          .max_key = rows(want.max, DType::i64),
          .squares = rows(want.squares),
          .distance = rows(want.distance),
          .first = rows(want.first),
          .self = rows(want.self),
          .previous = rows(want.previous),
          .top_weights = wide(want.top),
          .top_keys = wide(want.top, DType::i64),
          .inside = rows(want.window.has_value()),
          .outside = rows(want.window.has_value()),
          .listed = wide(static_cast<int64_t>(want.lists.size())),
          .binned = wide(static_cast<int64_t>(want.bins.size()) - 1),
          .received = by_key(want.received),
          .received_max = by_key(want.received),
          .received_top = by_key(want.received && want.top > 0, DType::i64)};
}

AttentionReport report(AttentionPlan& plan, DType dtype, const AttentionReportWant& want) {
  internal::check_report(want, plan);
  AttentionReport out = allocate(plan, want);
  out.y = Tensor::empty({plan['B'], plan['T'], plan['H'], plan['E']}, dtype).transpose(1, 2);
  out.lse = Tensor::empty({plan['B'], plan['H'], plan['T']});
  plan.set_y(out.y);
  plan.set_lse(out.lse);
  decode_parts(plan);
  Reporter(plan, want, out).run();
  return out;
}

}  // namespace

AttentionReportWant AttentionReportWant::all_rows() {
  return {.entropy = true,
          .perplexity = true,
          .max = true,
          .squares = true,
          .distance = true,
          .first = true,
          .self = true,
          .previous = true};
}

AttentionReport attention_report(const Tensor& q, const Tensor& k, const Tensor& v,
                                 const AttentionOptions& options, const AttentionReportWant& want) {
  AttentionPlan plan(q, k, v, options);
  return report(plan, q.dtype(), want);
}

AttentionReport attention_report(const Tensor& q, const KvPages& pages,
                                 const AttentionOptions& options, const AttentionReportWant& want) {
  AttentionPlan plan(q, pages, options);
  return report(plan, q.dtype(), want);
}

}  // namespace heed
