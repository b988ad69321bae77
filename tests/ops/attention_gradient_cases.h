#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/ops/attention_cases.h"

// What backward must give for a case, from matrices of weights and the chain rule alone: it shares
// no code with the library.

namespace heed::testing {

/// One gradient, row-major in its own shape.
struct ExpectedGradient {
  std::vector<double> values;
  /// How far each may be off: twice the largest error of a plain computation with matrices in the
  /// dtype (the self-scaling rule), and what a single rounding of each kind costs.
  std::vector<double> tolerances;
};

/// Gradients of sum(y dy), y of the case: "dq", "dk", "dv", and as far as the options have them
/// "dalibi", "dt5_table", "dsinks", "dbias0", "dbias1" and so on.
std::map<std::string, ExpectedGradient> expected_gradients(const AttentionCase& c,
                                                           const Tensor& dy);

}  // namespace heed::testing
