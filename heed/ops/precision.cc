#include "heed/ops/precision.h"

#include <utility>

namespace heed {
namespace {

thread_local Precision current = Precision::f32;

}  // namespace

ComputePrecision::ComputePrecision(Precision precision)
    : before_(std::exchange(current, precision)) {}

ComputePrecision::~ComputePrecision() { current = before_; }

Precision compute_precision() { return current; }

}  // namespace heed
