#include "heed/search/nearest.h"

#include <algorithm>
#include <atomic>
#include <cfloat>
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/kernels/block_product.h"
#include "heed/kernels/int8_dots.h"

namespace heed {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr float kMostCode = 127.0f;
constexpr int64_t kRowsAtOnce = 256;   // their dot products stay in the first cache
constexpr int64_t kRowsOfTask = 4096;  // what a thread takes at once
constexpr int64_t kRescoredAtOnce = 256;
/// Larger than what f64 rounds off in any sum or product below.
constexpr double kRounding = 1e-9;

double norm(std::span<const float> x) {
  double squares = 0;
  for (const float value : x) squares += static_cast<double>(value) * value;
  return std::sqrt(squares);
}

/// The query in 16 bits, and the parts of a row's margin that do not depend on the row.
class CodedQuery {
 public:
  explicit CodedQuery(std::span<const float> query)
      : codes_(static_cast<size_t>(heed::code_width(static_cast<int64_t>(query.size())))) {
    constexpr double kMostQuery = 32767, kMostSum = 16'909'320;  // 127 of these are below 2^31
    const auto width = static_cast<double>(query.size());
    double largest = 0, sum = 0;
    for (const float value : query) {
      largest = std::max(largest, std::abs(static_cast<double>(value)));
      sum += std::abs(static_cast<double>(value));
    }
    // rounding moves each code by half a unit
    scale_ = std::max(largest / kMostQuery, sum / std::max(kMostSum - width, 1.0));
    double coded = 0, lost = 0;
    for (size_t i = 0; i < query.size() && scale_ > 0; ++i) {
      codes_[i] = static_cast<int16_t>(std::lrint(query[i] / scale_));
      const double kept = scale_ * codes_[i], rest = query[i] - kept;
      coded += kept * kept;
      lost += rest * rest;
    }
    coded_norm_ = std::sqrt(coded) * (1 + kRounding);
    const double f32_error = 2 * (width + 1) * std::ldexp(1.0, -24);
    per_length_ = std::sqrt(lost) + (f32_error + kRounding) * norm(query);
  }

  const int16_t* codes() const { return codes_.data(); }
  int64_t code_width() const { return static_cast<int64_t>(codes_.size()); }
  double scale() const { return scale_; }
  /// How far a row's f32 product may be from scale() * row's scale * the codes' product.
  double margin(const RowScale& row, float longest) const {
    return row.error * coded_norm_ + longest * per_length_ + FLT_MIN;
  }

 private:
  std::vector<int16_t> codes_;
  double scale_ = 0;
  double coded_norm_ = 0;
  double per_length_ = 0;
};

struct Candidate {
  double upper;
  double lower;
  int64_t row;
  const float* vector;
};

/// The k-th largest lower bound that any thread has seen: what lies below it is out.
class Floor {
 public:
  double get() const { return value_.load(std::memory_order_relaxed); }
  void raise(double to) {
    double now = get();
    while (to > now && !value_.compare_exchange_weak(now, to, std::memory_order_relaxed)) {
    }
  }

 private:
  std::atomic<double> value_ = -kInfinity;
};

/// What one thread finds.
class Scout {
 public:
  explicit Scout(int64_t width) : width_(width) {}

  void scan(const RowBlock& block, int64_t begin, int64_t end, const CodedQuery& query, int64_t k,
            Floor& floor) {
    int32_t dots[kRowsAtOnce];
    const int64_t width = query.code_width();
    for (int64_t at = begin; at < end; at += kRowsAtOnce) {
      const int64_t count = std::min(kRowsAtOnce, end - at);
      kernels::int8_dots(block.codes + at * width, count, width, query.codes(), dots);
      for (int64_t i = 0; i < count; ++i) {
        const RowScale& row = block.scales[at + i];
        const double near = query.scale() * row.scale * dots[i];
        const double margin = query.margin(row, block.longest);
        if (!(near + margin >= floor.get())) continue;
        take({near + margin, near - margin, at + i, nullptr}, block, k, floor);
      }
    }
  }

  const std::vector<Candidate>& found() const { return found_; }

 private:
  void take(Candidate candidate, const RowBlock& block, int64_t k, Floor& floor) {
    if (!std::isfinite(candidate.upper) || !std::isfinite(candidate.lower)) return;
    lowers_.push_back(candidate.lower);
    std::push_heap(lowers_.begin(), lowers_.end(), std::greater<>());
    if (static_cast<int64_t>(lowers_.size()) > k) {
      std::pop_heap(lowers_.begin(), lowers_.end(), std::greater<>());
      lowers_.pop_back();
    }
    if (static_cast<int64_t>(lowers_.size()) == k) floor.raise(lowers_.front());
    candidate.vector = block.vectors + candidate.row * width_;
    candidate.row += block.first;
    found_.push_back(candidate);
  }

  int64_t width_;
  std::vector<double> lowers_;  // the k largest, the smallest in front
  std::vector<Candidate> found_;
};

struct Piece {
  const RowBlock* block;
  int64_t begin;
  int64_t end;
};

std::vector<Piece> cut(std::span<const RowBlock> blocks) {
  std::vector<Piece> pieces;
  for (const RowBlock& block : blocks) {
    for (int64_t begin = 0; begin < block.count; begin += kRowsOfTask) {
      pieces.push_back({&block, begin, std::min(begin + kRowsOfTask, block.count)});
    }
  }
  return pieces;
}

/// Rows that may be among the k, by falling upper bound.
std::vector<Candidate> candidates(std::span<const RowBlock> blocks, const CodedQuery& query,
                                  int64_t width, int64_t k) {
  std::vector<Scout> scouts(static_cast<size_t>(num_threads()), Scout(width));
  Floor floor;
  const std::vector<Piece> pieces = cut(blocks);
  parallel_for(static_cast<int64_t>(pieces.size()), [&](int64_t task, int worker) {
    const Piece& piece = pieces[static_cast<size_t>(task)];
    scouts[static_cast<size_t>(worker)].scan(*piece.block, piece.begin, piece.end, query, k, floor);
  });
  std::vector<Candidate> all;
  for (const Scout& scout : scouts) {
    for (const Candidate& one : scout.found()) {
      if (one.upper >= floor.get()) all.push_back(one);
    }
  }
  std::ranges::sort(all, [](const Candidate& a, const Candidate& b) {
    return a.upper != b.upper ? a.upper > b.upper : a.row < b.row;
  });
  return all;
}

float product(const float* row, std::span<const float> query) {
  float score = 0;
  const auto width = static_cast<int64_t>(query.size());
  kernels::block_product({.weights = {BlockKind::f32, reinterpret_cast<const std::byte*>(row),
                                      width * int64_t{sizeof(float)}, width},
                          .first_output = 0,
                          .last_output = 1,
                          .x = query.data(),
                          .x_stride = width,
                          .y = &score,
                          .y_stride = 1,
                          .rows = 1});
  return score;
}

bool nearer(const Near& a, const Near& b) {
  return a.score != b.score ? a.score > b.score : a.row < b.row;
}

}  // namespace

int64_t code_width(int64_t width) {
  return (width + kernels::kInt8Step - 1) / kernels::kInt8Step * kernels::kInt8Step;
}

RowScale quantize_row(std::span<const float> x, int8_t* codes) {
  float largest = 0;
  for (const float value : x) {
    if (!std::isfinite(value)) {
      throw Error(ErrorCode::invalid_argument,
                  "search: needed vectors of finite numbers, found " + std::to_string(value));
    }
    largest = std::max(largest, std::abs(value));
  }
  std::fill_n(codes, code_width(static_cast<int64_t>(x.size())), int8_t{0});
  const float scale = largest / kMostCode;
  if (scale == 0) {  // all are 0, or too small for a scale
    return {0, std::nextafter(static_cast<float>(norm(x)), FLT_MAX)};
  }
  double squares = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double code = std::clamp<double>(std::nearbyint(x[i] / scale), -kMostCode, kMostCode);
    codes[i] = static_cast<int8_t>(code);
    const double rest = x[i] - static_cast<double>(scale) * code;
    squares += rest * rest;
  }
  return {scale, std::nextafter(static_cast<float>(std::sqrt(squares)), FLT_MAX)};
}

std::vector<Near> nearest(std::span<const RowBlock> blocks, std::span<const float> query,
                          int64_t k) {
  if (k <= 0 || query.empty()) return {};
  if (!std::ranges::all_of(query, [](float value) { return std::isfinite(value); })) {
    throw Error(ErrorCode::invalid_argument, "search: the query's vector is no number");
  }
  const CodedQuery coded(query);
  const auto width = static_cast<int64_t>(query.size());
  const std::vector<Candidate> all = candidates(blocks, coded, width, k);
  std::vector<Near> best;
  for (size_t done = 0; done < all.size();) {
    // a row that can only equal the k-th may still come before it by its number
    const bool full = static_cast<int64_t>(best.size()) == k;
    if (full && all[done].upper < best.back().score) break;
    const size_t count = std::min<size_t>(kRescoredAtOnce, all.size() - done);
    const size_t before = best.size();
    best.resize(before + count);
    parallel_for(static_cast<int64_t>(count), [&](int64_t i, int) {
      const Candidate& one = all[done + static_cast<size_t>(i)];
      best[before + static_cast<size_t>(i)] = {one.row, product(one.vector, query)};
    });
    for (size_t i = before; i < best.size(); ++i) {
      if (std::isfinite(best[i].score)) continue;
      throw Error(ErrorCode::corrupt_data,
                  "search: row " + std::to_string(best[i].row) + " holds what is no number");
    }
    done += count;
    std::ranges::sort(best, nearer);
    if (static_cast<int64_t>(best.size()) > k) best.resize(static_cast<size_t>(k));
  }
  return best;
}

}  // namespace heed
