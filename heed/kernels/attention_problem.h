#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "heed/kernels/dropout.h"
#include "heed/kernels/element.h"

namespace heed::kernels {

// What an attention pass works on: shared by forward, backward and the lens.

/// Rows of [B, H, T, size] data: element (b, h, t, i) is the (b*batch + h*head + t*row + i)th.
/// Byte: std::byte or const std::byte. The last dimension is contiguous.
template <class Byte>
struct AttentionRows {
  Byte* data = nullptr;
  int64_t batch = 0;
  int64_t head = 0;
  int64_t row = 0;
  Element element = Element::f32;

  Byte* at(int64_t b, int64_t h, int64_t t) const {
    return data + (b * batch + h * head + t * row) * size_of(element);
  }
  float value(int64_t b, int64_t h, int64_t t, int64_t i) const {
    return load_element(element, at(b, h, t) + i * size_of(element));
  }
};

/// Keys and values in pages: token s of batch row b is token s % tokens of page
/// table[b * row + s / tokens], and a page takes the place of the batch row in AttentionRows.
/// No table: contiguous.
struct AttentionPages {
  const int32_t* table = nullptr;
  int64_t row = 0;     // entries of a batch row
  int64_t tokens = 1;  // of a page
};

/// One mask over [B, H, T, S], broadcast where a stride is 0: either visible (true = visible) or
/// bias (finite or -inf) is set.
struct AttentionMask {
  const bool* visible = nullptr;
  const float* bias = nullptr;
  int64_t batch = 0;
  int64_t head = 0;
  int64_t query = 0;
  int64_t key = 0;

  int64_t offset(int64_t b, int64_t h, int64_t t, int64_t s) const {
    return b * batch + h * head + t * query + s * key;
  }
};

/// A bias that depends on the distance alone (ALiBi's slopes and T5's buckets become this): head h
/// adds data[h * head + distance - first] to the score of a key s = p - distance, p the query's
/// position. Every distance that occurs must be there, and kSlack floats after the last.
struct DistanceBias {
  const float* data = nullptr;
  int64_t head = 0;
  int64_t first = 0;
  static constexpr int64_t kSlack = 64;

  float at(int64_t h, int64_t distance) const { return data[h * head + distance - first]; }
};

/// Half-open range of keys.
struct KeyRange {
  int64_t begin = 0;
  int64_t end = 0;
};

struct AttentionReport;  // attention_report.h

struct AttentionProblem {
  static constexpr int64_t kOpen = INT64_MAX / 4;  // leaves room to add positions

  int64_t heads = 0;      // H
  int64_t kv_heads = 0;   // G
  int64_t queries = 0;    // T
  int64_t keys = 0;       // S
  int64_t head_dim = 0;   // D
  int64_t value_dim = 0;  // E
  AttentionRows<const std::byte> q, k, v;
  AttentionRows<std::byte> y;  // not used by backward; no data: the report alone is wanted
  AttentionPages pages;        // of k and v
  float scale = 1.0F;
  float softcap = 0.0F;  // c: scores become c tanh(score / c); 0: as they are

  /// Query t of batch row b stands at position p = t + offsets[b]; null: t. [B]
  const int64_t* offsets = nullptr;
  /// It sees keys p - left <= s <= p + right. Causal: right = 0.
  int64_t left = kOpen;
  int64_t right = kOpen;
  /// Keys s < lengths[b] are visible, lengths in [0, S]; null: all S. [B]
  const int64_t* lengths = nullptr;
  std::span<const AttentionMask> masks;
  DistanceBias distance;
  const float* sinks = nullptr;  // [H]: a further logit with no value in each row's softmax
  Dropout dropout;               // of weights, after the softmax

  // Outputs, null where not wanted. Row (b, h, t) of them is row(b, h, t).
  float* lse = nullptr;      // [B, H, T], the sink's share included
  float* weights = nullptr;  // [B, H, T, S], before dropout
  float* scores = nullptr;   // [B, H, T, S] with every bias and mask applied
  int64_t row_pitch = 0;     // rows of a head: T, or all of them where this is a part (a segment)
  int64_t key_pitch = 0;     // elements of a row of weights and scores: S, or more
  const AttentionReport* report = nullptr;  // null: none

  int64_t kv_head(int64_t h) const { return h / (heads / kv_heads); }
  int64_t row(int64_t b, int64_t h, int64_t t) const { return (b * heads + h) * row_pitch + t; }
  int64_t position(int64_t b, int64_t t) const { return offsets == nullptr ? t : t + offsets[b]; }

  /// Key (or value) row s of batch row b, kv head g; rows that follow it in the same page lie
  /// rows.row elements apart.
  const std::byte* key_at(const AttentionRows<const std::byte>& rows, int64_t b, int64_t g,
                          int64_t s) const {
    if (pages.table == nullptr) return rows.at(b, g, s);
    return rows.at(pages.table[b * pages.row + s / pages.tokens], g, s % pages.tokens);
  }
};

/// The keys that position, window and lengths leave to a query; the masks may hide some of them.
inline KeyRange visible_keys(const AttentionProblem& problem, int64_t b, int64_t t) {
  const int64_t p = problem.position(b, t);
  const int64_t length = problem.lengths == nullptr ? problem.keys : problem.lengths[b];
  const int64_t end = std::max<int64_t>(std::min(length, p + problem.right + 1), 0);
  return {std::clamp<int64_t>(p - problem.left, 0, end), end};
}

/// Where the scores of a row are kept for the caller: scores themselves if wanted, else those that
/// become weights; null: nowhere.
inline float* recorded_scores(const AttentionProblem& problem, int64_t b, int64_t h, int64_t t) {
  float* rows = problem.scores != nullptr ? problem.scores : problem.weights;
  return rows == nullptr ? nullptr : rows + problem.row(b, h, t) * problem.key_pitch;
}

}  // namespace heed::kernels
