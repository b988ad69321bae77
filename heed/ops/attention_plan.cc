#include "heed/ops/attention_plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <memory>
#include <string>

#include "heed/base/error.h"

namespace heed {
namespace {

using kernels::AttentionMask;
using kernels::AttentionProblem;
using kernels::AttentionRows;
using kernels::DistanceBias;
using kernels::Element;

[[noreturn]] void refuse(const std::string& text) {
  throw Error(ErrorCode::invalid_argument, "attention: " + text);
}

void expect_contiguous_rows(const char* name, const Tensor& tensor) {
  if (tensor.numel() == 0 || tensor.size(-1) <= 1 || tensor.stride(-1) == 1) return;
  refuse(std::string("the last dimension of ") + name + " must be contiguous but has stride " +
         std::to_string(tensor.stride(-1)) + "; call contiguous()");
}

Element element_of(const char* name, const Tensor& tensor) {
  switch (tensor.dtype()) {
    case DType::f32:
      return Element::f32;
    case DType::bf16:
      return Element::bf16;
    case DType::f16:
      return Element::f16;
    default:
      refuse(std::string(name) + " must be f32, bf16 or f16 but is " +
             std::string(to_string(tensor.dtype())));
  }
}

template <class Byte>
AttentionRows<Byte> rows_of(const char* name, const Tensor& tensor) {
  expect_contiguous_rows(name, tensor);
  return {tensor.raw_data(), tensor.stride(0), tensor.stride(1), tensor.stride(2),
          element_of(name, tensor)};
}

Tensor broadcast_mask(const Tensor& mask, const Shape& scores) {
  bool fits = mask.rank() <= 4;
  for (int i = 1; fits && i <= mask.rank(); ++i) {
    fits = mask.size(-i) == 1 || mask.size(-i) == scores[4 - i];
  }
  if (fits) return mask.expand(scores);
  refuse("a mask must broadcast to [B, H, T, S] = " + to_string(scores) + " but is " +
         to_string(mask.shape()));
}

void expect_heads(const char* name, const Tensor& tensor, int64_t heads) {
  if (tensor.dtype() == DType::f32 && tensor.shape() == Shape{heads} && tensor.is_contiguous()) {
    return;
  }
  refuse(std::string(name) + " must be f32 of shape [H=" + std::to_string(heads) + "] but is " +
         std::string(to_string(tensor.dtype())) + " " + to_string(tensor.shape()));
}

void expect_finite(const char* name, float value) {
  if (!std::isfinite(value)) {
    refuse(std::string(name) + " must be finite but is " + std::to_string(value));
  }
}

/// Kernels multiply by 1 / softcap.
void expect_softcap(float softcap) {
  expect_finite("softcap", softcap);
  if (softcap == 0 || (softcap > 0 && std::isfinite(1.0F / softcap))) return;
  char text[32];
  const auto end = std::to_chars(std::begin(text), std::end(text), softcap).ptr;
  refuse("softcap must be 0 (off) or at least 2.94e-39, of which 1 / softcap is finite, but is " +
         std::string(text, end));
}

float scale_of(const AttentionOptions& options, int64_t head_dim) {
  if (!options.scale) return 1.0F / std::sqrt(static_cast<float>(std::max<int64_t>(head_dim, 1)));
  expect_finite("scale", *options.scale);
  return *options.scale;
}

void check_options(const AttentionOptions& options, int64_t heads) {
  expect_softcap(options.softcap);
  if (!(options.dropout.probability >= 0 && options.dropout.probability < 1)) {
    refuse("dropout must be in [0, 1) but is " + std::to_string(options.dropout.probability));
  }
  if (options.alibi.defined()) expect_heads("alibi", options.alibi, heads);
  if (options.sinks.defined()) expect_heads("sinks", options.sinks, heads);
  if (!options.relative) return;
  const RelativeBuckets& relative = *options.relative;
  const int64_t least = relative.bidirectional ? 4 : 2;
  if (relative.table.rank() != 2 || relative.table.size(0) < least ||
      relative.table.size(1) != heads || relative.table.dtype() != DType::f32) {
    refuse("the relative bias' table must be f32 [buckets >= " + std::to_string(least) + ", H=" +
           std::to_string(heads) + "] but is " + std::string(to_string(relative.table.dtype())) +
           " " + to_string(relative.table.shape()));
  }
  const int64_t exact = relative.table.size(0) / (relative.bidirectional ? 4 : 2);
  if (relative.max_distance <= exact) {
    refuse("the relative bias' max_distance must be above " + std::to_string(exact) +
           ", the distances with a bucket each, but is " + std::to_string(relative.max_distance));
  }
}

void check_pages(const KvPages& pages, int64_t batch, int64_t kept, const Mask& mask,
                 int64_t keys) {
  const int64_t tokens = pages.k.size(2);
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t used = tokens == 0 ? 0 : (mask.length(b, batch, keys) + tokens - 1) / tokens;
    for (int64_t i = 0; i < used; ++i) {
      const int32_t page = pages.table.at<int32_t>({b, i});
      if (page >= 0 && page < kept) continue;
      refuse("a page table's entries must be in [0, P=" + std::to_string(kept) + ") but entry " +
             std::to_string(i) + " of batch row " + std::to_string(b) + " is " +
             std::to_string(page));
    }
  }
}

/// The distances p - s that occur.
struct Distances {
  int64_t first = INT64_MAX;
  int64_t last = INT64_MIN;

  int64_t count() const { return first > last ? 0 : last - first + 1; }
};

Distances distances_in(const std::vector<AttentionPlan::Part>& parts) {
  Distances all;
  for (const AttentionPlan::Part& part : parts) {
    const AttentionProblem& problem = part.problem;
    if (problem.queries == 0 || problem.keys == 0) continue;
    for (int64_t b = 0; b < part.batch; ++b) {
      all.first = std::min(all.first, problem.position(b, 0) - (problem.keys - 1));
      all.last = std::max(all.last, problem.position(b, problem.queries - 1));
    }
  }
  return all;
}

void add_alibi(float slope, const Distances& distances, float* to) {
  for (int64_t distance = distances.first; distance <= distances.last; ++distance) {
    *to++ -= slope * static_cast<float>(std::abs(distance));
  }
}

/// The row of T5's table of each distance: the same for all heads.
std::vector<const float*> bucket_rows(const RelativeBuckets& relative, const Distances& distances) {
  const Tensor& table = relative.table;
  std::vector<const float*> rows;
  rows.reserve(static_cast<size_t>(distances.count()));
  for (int64_t distance = distances.first; distance <= distances.last; ++distance) {
    const int64_t bucket = RelativeBuckets::bucket(-distance, table.size(0), relative.bidirectional,
                                                   relative.max_distance);
    rows.push_back(table.data<float>() + table.stride(0) * bucket);
  }
  return rows;
}

}  // namespace

// Computed in f32 as the published implementations do, so that edges fall where theirs do.
int64_t RelativeBuckets::bucket(int64_t distance, int64_t buckets, bool bidirectional,
                                int64_t max_distance) {
  int64_t base = 0;
  if (bidirectional) {
    buckets /= 2;
    if (distance > 0) base = buckets;
    distance = std::abs(distance);
  } else {
    distance = std::max<int64_t>(-distance, 0);
  }
  const int64_t exact = buckets / 2;
  if (distance < exact) return base + distance;
  if (distance >= max_distance) return base + buckets - 1;  // what follows gives the same, slowly
  const float far =
      std::log(static_cast<float>(distance) / static_cast<float>(exact)) /
      static_cast<float>(std::log(static_cast<double>(max_distance) / static_cast<double>(exact))) *
      static_cast<float>(buckets - exact);
  return base + std::min(exact + static_cast<int64_t>(far), buckets - 1);
}

AttentionPlan::AttentionPlan(const Tensor& q, const Tensor& k, const Tensor& v,
                             const AttentionOptions& options) {
  dims_.bind("q", q, "B H T D").bind("k", k, "B G S D").bind("v", v, "B G S E");
  fill(q, k, v, options);
  if (const auto& segments = options.mask.segments()) {
    const AttentionProblem whole = parts_[0].problem;
    cut_segments(*segments, whole);
  }
  set_distance(options);
}

AttentionPlan::AttentionPlan(const Tensor& q, const KvPages& pages,
                             const AttentionOptions& options) {
  dims_.bind("q", q, "B H T D").bind("k", pages.k, "P G N D").bind("v", pages.v, "P G N E");
  dims_.bind("table", pages.table, "B M", DType::i32);
  dims_.set('S', dims_['M'] * dims_['N'], "the page table");
  if (options.mask.segments()) refuse("segments and pages cannot be combined");
  check_pages(pages, dims_['B'], dims_['P'], options.mask, dims_['S']);
  expect_contiguous_rows("the page table", pages.table);
  fill(q, pages.k, pages.v, options);
  parts_[0].problem.pages = {pages.table.data<int32_t>(), pages.table.stride(0),
                             std::max<int64_t>(dims_['N'], 1)};
  set_distance(options);
}

void AttentionPlan::fill(const Tensor& q, const Tensor& k, const Tensor& v,
                         const AttentionOptions& options) {
  const int64_t heads = dims_['H'];
  if (dims_['G'] == 0 ? heads != 0 : heads % dims_['G'] != 0) {
    refuse("H must be a multiple of G but q has H=" + std::to_string(heads) +
           " heads and k has G=" + std::to_string(dims_['G']));
  }
  check_options(options, heads);
  AttentionProblem whole{.heads = heads,
                         .kv_heads = dims_['G'],
                         .queries = dims_['T'],
                         .keys = dims_['S'],
                         .head_dim = dims_['D'],
                         .value_dim = dims_['E'],
                         .q = rows_of<const std::byte>("q", q),
                         .k = rows_of<const std::byte>("k", k),
                         .v = rows_of<const std::byte>("v", v),
                         .scale = scale_of(options, dims_['D']),
                         .softcap = options.softcap,
                         .dropout = options.dropout,
                         .row_pitch = dims_['T'],
                         .key_pitch = dims_['S']};
  if (whole.k.element != whole.v.element) {
    refuse("k and v must have one dtype but are " + std::string(to_string(k.dtype())) + " and " +
           std::string(to_string(v.dtype())));
  }
  if (options.sinks.defined()) whole.sinks = options.sinks.data<float>();
  set_mask(options.mask, whole);
  parts_.push_back({whole, dims_['B'], 0, 0});
}

void AttentionPlan::set_mask(const Mask& mask, AttentionProblem& whole) {
  const int64_t batch = dims_['B'];
  whole.left = mask.left();
  whole.right = mask.causal() ? 0 : mask.right();
  for (int64_t b = 0; b < batch; ++b) {
    offsets_.push_back(mask.position_offset(b, batch, dims_['T'], dims_['S']));
    if (!mask.lengths().empty()) lengths_.push_back(mask.length(b, batch, dims_['S']));
  }
  whole.offsets = offsets_.data();
  if (!lengths_.empty()) whole.lengths = lengths_.data();
  const Shape scores{batch, dims_['H'], dims_['T'], dims_['S']};
  masks_.emplace_back();
  const auto add = [&](const Tensor& tensor, const bool* visible, const float* bias) {
    views_.push_back(broadcast_mask(tensor, scores));
    const Tensor& view = views_.back();
    masks_[0].push_back(
        {visible, bias, view.stride(0), view.stride(1), view.stride(2), view.stride(3)});
  };
  // Hiding comes last, so that nothing is added to a hidden score.
  for (const Tensor& tensor : mask.additives()) add(tensor, nullptr, tensor.data<float>());
  for (const Tensor& tensor : mask.booleans()) add(tensor, tensor.data<bool>(), nullptr);
  whole.masks = masks_[0];
  if (mask.segments()) set_segment_offsets(mask);
}

/// Positions restart in every segment.
void AttentionPlan::set_segment_offsets(const Mask& mask) {
  if (dims_['B'] != 1) refuse("segments need a batch of 1 but B is " + std::to_string(dims_['B']));
  if (!lengths_.empty()) {
    refuse("segments and lengths cannot be combined; cut the segments shorter");
  }
  const auto expect_end = [&](const std::vector<int64_t>& starts, const char* what, char letter) {
    if (starts.back() == dims_[letter]) return;
    refuse(std::string(what) + " segments must end at " + letter + "=" +
           std::to_string(dims_[letter]) + " but end at " + std::to_string(starts.back()));
  };
  const auto& [queries, keys] = *mask.segments();
  expect_end(queries, "query", 'T');
  expect_end(keys, "key", 'S');
  offsets_.clear();
  for (size_t i = 0; i + 1 < queries.size(); ++i) {
    offsets_.push_back(
        mask.position_offset(0, 1, queries[i + 1] - queries[i], keys[i + 1] - keys[i]));
  }
}

void AttentionPlan::cut_segments(const Segments& segments, const AttentionProblem& whole) {
  parts_.clear();
  masks_.resize(segments.queries.size());
  for (size_t i = 0; i + 1 < segments.queries.size(); ++i) {
    const int64_t first_query = segments.queries[i];
    const int64_t first_key = segments.keys[i];
    AttentionProblem part = whole;
    part.queries = segments.queries[i + 1] - first_query;
    part.keys = segments.keys[i + 1] - first_key;
    part.q.data = whole.q.at(0, 0, first_query);
    part.k.data = whole.k.at(0, 0, first_key);
    part.v.data = whole.v.at(0, 0, first_key);
    part.offsets = &offsets_[i];
    part.dropout.seed += i * 0x9E3779B97F4A7C15U;  // not the same weights in every segment
    for (AttentionMask mask : whole.masks) {
      const int64_t at = mask.offset(0, 0, first_query, first_key);
      if (mask.visible != nullptr) mask.visible += at;
      if (mask.bias != nullptr) mask.bias += at;
      masks_[i + 1].push_back(mask);
    }
    part.masks = masks_[i + 1];
    parts_.push_back({part, 1, first_query, first_key});
  }
}

void AttentionPlan::set_distance(const AttentionOptions& options) {
  if (!options.alibi.defined() && !options.relative) return;
  const Distances distances = distances_in(parts_);
  if (distances.count() == 0) return;          // no pairs
  constexpr int64_t kMost = int64_t{1} << 24;  // 64 MiB a head
  if (distances.last - distances.first > kMost) {
    refuse("a bias by distance needs positions at most " + std::to_string(kMost) +
           " apart but the mask's offsets put them " +
           std::to_string(distances.last - distances.first) + " apart");
  }
  const int64_t pitch = distances.count() + DistanceBias::kSlack;
  distance_.assign(static_cast<size_t>(dims_['H'] * pitch), 0.0F);
  std::vector<const float*> rows;
  if (options.relative) rows = bucket_rows(*options.relative, distances);
  for (int64_t h = 0; h < dims_['H']; ++h) {
    float* const to = distance_.data() + h * pitch;
    if (options.alibi.defined()) add_alibi(options.alibi.data<float>()[h], distances, to);
    if (!options.relative) continue;
    const int64_t column = h * options.relative->table.stride(1);
    for (size_t i = 0; i < rows.size(); ++i) to[i] += rows[i][column];
  }
  for (Part& part : parts_) part.problem.distance = {distance_.data(), pitch, distances.first};
}

void AttentionPlan::set_y(const Tensor& y) {
  const AttentionRows<std::byte> rows = rows_of<std::byte>("y", y);
  for (Part& part : parts_) {
    part.problem.y = rows;
    part.problem.y.data = rows.at(0, 0, part.first_query);
  }
}

void AttentionPlan::set_lse(const Tensor& lse) {
  for (Part& part : parts_) part.problem.lse = lse.data<float>() + part.first_query;
}

void AttentionPlan::set_pairs(float* AttentionProblem::*output, const Tensor& pairs) {
  for (Part& part : parts_) {
    part.problem.*output =
        pairs.data<float>() + part.first_query * part.problem.key_pitch + part.first_key;
  }
}

AttentionRows<std::byte> attention_rows(const char* name, const Tensor& tensor) {
  return rows_of<std::byte>(name, tensor);
}

int64_t queries_per_task(const AttentionPlan& plan, const AttentionProblem& problem) {
  constexpr int64_t kLeast = 32;
  const int64_t wanted_tasks = int64_t{4} * num_threads();
  int64_t size = kernels::attention_queries(problem);
  while (num_threads() > 1 && size > kLeast &&
         plan['B'] * plan['H'] * ((plan['T'] + size - 1) / size) < wanted_tasks) {
    size /= 2;
  }
  return size;
}

WorkerScratch::WorkerScratch(int64_t bytes) : bytes_((bytes + 63) / 64 * 64) {
  thread_local std::shared_ptr<Storage> kept;
  const int64_t all = num_threads() * bytes_;
  const bool in_use = kept.use_count() > 1;
  if (kept == nullptr || in_use || kept->bytes() < all) kept = Storage::allocate(all);
  storage_ = kept;
}

}  // namespace heed
