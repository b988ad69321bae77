#pragma once

#include <cstddef>
#include <cstdint>

#include "heed/kernels/attention_problem.h"

namespace heed::kernels {

// A few queries over many keys, cut so that threads can share them: the same bits as attention().
// Weights need the largest score of all keys before theirs, and an output is one chain of sums in
// key order, so after attention_split_start blocks of kSplitKeys keys are taken one by one, each in
// steps:
//   1. attention_split_scores    for every run of its keys, in any order;
//   2. attention_split_weights   for every run of its keys, in any order;
//   3. attention_split_values    for every run of columns of v, in any order;
//   4. attention_split_advance   once.
// A step starts when the one before is done; attention_split_finish comes last.

/// Keys of a block: their weights stay in L2.
constexpr int64_t kSplitKeys = 8192;
/// Keys of a run.
constexpr int64_t kSplitRun = 1024;

/// Queries of one call at most: a tile of the instruction set in use.
int64_t attention_split_queries();

/// Queries [first, first + queries) of head h in batch row b, and the memory the steps share:
/// attention_split_bytes, 64-byte aligned.
struct AttentionSplit {
  const AttentionProblem& problem;
  int64_t b, h, first, queries;
  bool careful;  // leaves out values of weight 0, which may not be finite
  std::byte* shared;
};

/// Whether this problem can be split: a vector kernel serves it, and y and lse are all it wants.
bool attention_splits(const AttentionProblem& problem);
int64_t attention_split_bytes(const AttentionProblem& problem);

// scratch: attention_scratch_bytes, for each call that runs at once.
void attention_split_start(const AttentionSplit& split, std::byte* scratch);
void attention_split_scores(const AttentionSplit& split, KeyRange run, std::byte* scratch);
void attention_split_weights(const AttentionSplit& split, KeyRange run, std::byte* scratch);
/// block: the keys of all its runs. columns: [begin, end) of E, begin a multiple of 16.
void attention_split_values(const AttentionSplit& split, KeyRange block, KeyRange columns,
                            std::byte* scratch);
void attention_split_advance(const AttentionSplit& split, KeyRange block, std::byte* scratch);
/// Writes y and lse. Whether y is finite; if not, all is to be done again carefully.
bool attention_split_finish(const AttentionSplit& split, std::byte* scratch);

}  // namespace heed::kernels
