#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "heed/ops/attention.h"

// Random calls of attention, and what they must give, in f64 and written from the contract alone
// (heed/ops/attention.h, heed/ops/mask.h): it shares no code with the library's plan or kernels.

namespace heed::testing {

struct AttentionCaseLimits {
  int64_t tokens = 300;    // T and S at most
  int64_t queries = 300;   // T at most
  int64_t least_keys = 0;  // S at least
  int64_t work = 2 << 20;  // B H T S (D + E) at most, about
  bool pages = true;
  bool halves = true;  // bf16 and f16 beside f32
  bool bf16 = false;   // nothing else
  bool dropout = true;
  bool lengths = false;  // always some
  bool poison = true;    // NaN in padding, sometimes
};

/// How the position offset of a batch row comes about.
enum class Corner : uint8_t { none, top_left, bottom_right, given };

/// One call. The parts of options.mask are kept beside it, so that tests can take them apart.
struct AttentionCase {
  Tensor q, k, v;  // of a paged case too: what its pages hold
  KvPages pages;   // table undefined: not paged
  AttentionOptions options;

  Corner corner = Corner::none;  // none: not causal
  std::vector<int64_t> offsets;  // [B], of Corner::given
  std::vector<int64_t> lengths;  // [B] or none
  int64_t left = Mask::kOpen, right = Mask::kOpen;
  std::vector<int64_t> query_starts, key_starts;  // of segments, or none
  std::vector<Tensor> booleans, additives;
  std::string text;  // what it is, for messages

  /// options.mask from the parts.
  void set_mask();
  AttentionOutputs run(const AttentionWant& want) const;
  /// Batch row b alone, of its queries those from first_query on.
  AttentionCase part(int64_t b, int64_t first_query) const;
  /// With NaN in every key past its row's length (not for pages).
  AttentionCase poisoned() const;
  /// Without the keys past the longest length (not for pages).
  AttentionCase shortened() const;
};

/// The same case for the same seed, on every machine.
AttentionCase random_attention_case(uint64_t seed, const AttentionCaseLimits& limits = {});

/// The number in an environment variable, if it is set.
uint64_t number_of(const char* variable, uint64_t otherwise);

/// body(seed) for the cases of this run, until one fails. HEED_RANDOM_CASES=20000 runs that many
/// (divided by share) instead of the usual; a failure names its case, and HEED_RANDOM_FIRST=case
/// starts there.
template <class F>
void for_random_cases(uint64_t usual, uint64_t share, const F& body) {
  const uint64_t first = number_of("HEED_RANDOM_FIRST", 1);
  const uint64_t asked = number_of("HEED_RANDOM_CASES", 0);
  const uint64_t count = asked == 0 ? usual : asked / share;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    body(seed);
    if (::testing::Test::HasFailure()) return;
  }
}

/// A row of the result in f64, and how far f32 arithmetic may be from it (docs/math/attention.md,
/// "Numerics").
struct ExpectedRow {
  std::vector<double> y, weights, scores;
  std::vector<double> plain_weights;  // of scores summed up in f32, one product after another
  double lse = 0;
  double score_error = 0;     // absolute
  double relative_error = 0;  // of weights
  double y_error = 0;
  double weights_rounding = 0;     // of y where weights are rounded to bf16, at most
  double low_precision_error = 0;  // of y where scores, weights and y are rounded to q's dtype
  int64_t position = 0;            // of the query, as a key of the whole
  int64_t first_key = 0;           // of its segment
};
ExpectedRow expected_row(const AttentionCase& c, int64_t b, int64_t h, int64_t t);

/// What the contract says of a pair, beside its q.k.
struct ExpectedPair {
  bool seen = false;
  double bias = 0;       // finite, where seen
  double dropout = 1;    // what multiplies its weight
  int64_t distance = 0;  // key's position - query's
};
ExpectedPair expected_pair(const AttentionCase& c, int64_t b, int64_t h, int64_t t, int64_t s);

/// x as dtype would store it.
double rounded(DType dtype, double x);

}  // namespace heed::testing
