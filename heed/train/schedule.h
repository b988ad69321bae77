#pragma once

#include <cstdint>

namespace heed {

/// How the learning rate goes with the step.
enum class ScheduleKind : uint8_t {
  constant,  // after the warm-up, the peak
  linear,    // from the peak to 0 at total_steps
  cosine,    // from the peak to the floor at total_steps, along half a cosine
  noam,      // the 2017 paper's: inverse square root of the step, scaled by the model's width
};

struct ScheduleOptions {
  ScheduleKind kind = ScheduleKind::cosine;
  double peak = 1e-3;        // learning rate; noam: a factor, 1 in the paper
  double floor = 0;          // cosine: the rate from total_steps on
  int64_t warmup_steps = 0;  // noam: 4,000 in the paper
  int64_t total_steps = 0;   // linear, cosine
  int64_t width = 512;       // noam: d_model
};

/// The learning rate of update `step`, counted from 0. With w warm-up steps of N, p the peak and f
/// the floor, and s = step + 1:
///
///   constant: p min(1, step / w), transformers' get_constant_schedule_with_warmup;
///   linear: the same, then p (N - step) / (N - w), transformers' get_linear_schedule_with_warmup;
///   cosine: p s / (w + 1), then f + (p - f) (1 + cos(pi (step - w) / (N - w))) / 2, nanoGPT's;
///   noam: p width^-0.5 min(s^-0.5, s w^-1.5), Vaswani et al. 2017, eq. 3.
///
/// Constant and linear therefore make their first update at rate 0 where w > 0, as transformers'
/// do. Error invalid_argument for options that contradict each other.
double learning_rate(const ScheduleOptions& options, int64_t step);

}  // namespace heed
