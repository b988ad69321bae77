#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/ops/attention_report.h"

namespace heed {

/// A call of attention as `heed attend` is given it: arrays from files and texts of options. What
/// was not given is undefined or empty.
struct AttendSettings {
  std::optional<float> scale;
  float softcap = 0;
  std::string causal;     // "top-left", "bottom-right"
  Tensor causal_offsets;  // [B] integers
  std::string window;     // "LEFT,RIGHT", -1 for open
  Tensor lengths;         // [B] integers
  Tensor segments_q;      // [n + 1] integers
  Tensor segments_k;      // [n + 1] integers
  Tensor mask;            // bool, broadcasts to [B, H, T, S]
  Tensor bias;            // float, broadcasts to [B, H, T, S]; finite or -inf
  Tensor alibi;           // [H] float
  Tensor sinks;           // [H] float
  Tensor t5_table;        // [buckets, H] float
  bool t5_bidirectional = false;
  int64_t t5_max_distance = 128;
};

/// The options of the call. bf16_bits: u16 arrays hold bf16. Shapes that depend on q are left to
/// attention(). Error invalid_argument names the option, what it needs and what was found.
AttentionOptions attend_options(const AttendSettings& settings, bool bf16_bits = false);

/// q, k or v as attention() takes it: f32 or f16 as it is, u16 as bf16 where bf16_bits. Error
/// invalid_argument for any other dtype.
Tensor attend_input(std::string_view name, const Tensor& array, bool bf16_bits);

/// "LEFT,RIGHT": keys that a query sees before and after itself, -1 for all of them. Error
/// invalid_argument.
Mask parse_window(std::string_view text);

/// "r0:r1,c0:c1": queries r0 to r1 - 1 by keys c0 to c1 - 1. Error invalid_argument for another
/// form; whether it lies in the matrix is left to attention_tile().
struct AttendTile {
  AttentionRange rows;
  AttentionRange keys;
};
AttendTile parse_tile(std::string_view text);

/// "0,5,17": the whole numbers of that option. Error invalid_argument for another form.
std::vector<int64_t> parse_numbers(std::string_view option, std::string_view text);

}  // namespace heed
