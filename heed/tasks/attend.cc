#include "heed/tasks/attend.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

#include "heed/base/error.h"
#include "heed/base/message.h"

namespace heed {
namespace {

[[noreturn]] void refuse(std::string_view name, const std::string& text) {
  throw Error(ErrorCode::invalid_argument, std::string(name) + ": " + text);
}

std::string description(const Tensor& array) {
  return std::string(to_string(array.dtype())) + " " + to_string(array.shape());
}

/// bf16 where the bits were said to be that.
Tensor as_float(std::string_view name, const Tensor& array, bool bf16_bits) {
  if (array.dtype() == DType::f32 || array.dtype() == DType::f16) return array;
  if (array.dtype() != DType::u16) {
    refuse(name, "needed f32, f16, or bf16 as uint16 with --bf16, found " +
                     std::string(to_string(array.dtype())) + "; convert it with NumPy's astype");
  }
  if (!bf16_bits) refuse(name, "needed --bf16 to read uint16 as bf16, found none");
  const Tensor from = array.contiguous();
  const Tensor to = Tensor::empty(array.shape(), DType::bf16);
  if (from.numel() != 0) {
    std::memcpy(to.raw_data(), from.raw_data(), static_cast<size_t>(from.numel()) * 2);
  }
  return to;
}

/// A parameter as f32: finite, or also -inf.
Tensor parameter(std::string_view name, const Tensor& array, bool bf16_bits, bool may_hide) {
  const Tensor values = as_float(name, array, bf16_bits).to(DType::f32).contiguous();
  for (const float x : values.span<float>()) {
    if (std::isfinite(x) || (may_hide && std::isinf(x) && x < 0)) continue;
    refuse(name, std::string("needed finite numbers") + (may_hide ? " or -inf" : "") + ", found " +
                     std::to_string(x));
  }
  return values;
}

std::vector<int64_t> integers(std::string_view name, const Tensor& array) {
  const Tensor values = array.contiguous();
  if (values.rank() == 1 && values.dtype() == DType::i64) {
    const auto all = values.span<int64_t>();
    return {all.begin(), all.end()};
  }
  if (values.rank() == 1 && values.dtype() == DType::i32) {
    const auto all = values.span<int32_t>();
    return {all.begin(), all.end()};
  }
  refuse(name, "needed a list of int32 or int64, found " + description(array));
}

/// Reads whole numbers parted by these characters; false for any other text.
bool take_numbers(std::string_view text, std::string_view separators, std::span<int64_t> numbers) {
  const char* at = text.data();
  const char* const end = at + text.size();
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0 && (at == end || *at++ != separators[i - 1])) return false;
    const auto [next, error] = std::from_chars(at, end, numbers[i]);
    if (error != std::errc{}) return false;
    at = next;
  }
  return at == end;
}

Mask causal_mask(const AttendSettings& settings) {
  if (settings.causal_offsets.defined()) {
    return Mask::causal(integers("--causal", settings.causal_offsets));
  }
  if (settings.causal.empty()) return {};
  if (settings.causal == "top-left") return Mask::causal(Align::top_left);
  if (settings.causal == "bottom-right") return Mask::causal(Align::bottom_right);
  refuse("--causal",
         "needed top-left, bottom-right or OFFSETS.npy, found " + in_quotes(settings.causal));
}

Mask mask_of(const AttendSettings& settings, bool bf16_bits) {
  Mask mask = causal_mask(settings);
  if (!settings.window.empty()) mask = mask & parse_window(settings.window);
  if (settings.lengths.defined()) {
    mask = mask & Mask::padding(integers("--lengths", settings.lengths));
  }
  if (settings.segments_q.defined() != settings.segments_k.defined()) {
    refuse("--segments-q and --segments-k", "needed both, found one");
  }
  if (settings.segments_q.defined()) {
    mask = mask & Mask::segments(integers("--segments-q", settings.segments_q),
                                 integers("--segments-k", settings.segments_k));
  }
  if (settings.mask.defined()) {
    if (settings.mask.dtype() != DType::boolean) {
      refuse("--mask", "needed bool (true = visible), found " +
                           std::string(to_string(settings.mask.dtype())) +
                           "; --bias takes numbers to add");
    }
    mask = mask & Mask::boolean(settings.mask);
  }
  if (settings.bias.defined()) {
    mask = mask & Mask::additive(parameter("--bias", settings.bias, bf16_bits, true));
  }
  return mask;
}

}  // namespace

Mask parse_window(std::string_view text) {
  int64_t sides[2] = {};
  if (!take_numbers(text, ",", sides) || sides[0] < -1 || sides[1] < -1) {
    refuse("--window",
           "needed LEFT,RIGHT, each at least 0 or -1 for open, found " + in_quotes(text));
  }
  const auto side = [](int64_t n) { return n == -1 ? Mask::kOpen : n; };
  return Mask::window(side(sides[0]), side(sides[1]));
}

AttendTile parse_tile(std::string_view text) {
  int64_t ends[4] = {};
  if (!take_numbers(text, ":,:", ends)) {
    refuse("--tile", "needed r0:r1,c0:c1 (queries r0 to r1 - 1, keys c0 to c1 - 1), found " +
                         in_quotes(text));
  }
  return {{ends[0], ends[1]}, {ends[2], ends[3]}};
}

std::vector<int64_t> parse_numbers(std::string_view option, std::string_view text) {
  const auto count = std::count(text.begin(), text.end(), ',') + 1;
  std::vector<int64_t> numbers(static_cast<size_t>(count));
  if (!take_numbers(text, std::string(numbers.size(), ','), numbers)) {
    refuse(option, "needed whole numbers by commas, found " + in_quotes(text));
  }
  return numbers;
}

Tensor attend_input(std::string_view name, const Tensor& array, bool bf16_bits) {
  return as_float(name, array, bf16_bits);
}

AttentionOptions attend_options(const AttendSettings& settings, bool bf16_bits) {
  AttentionOptions options{
      .scale = settings.scale, .softcap = settings.softcap, .mask = mask_of(settings, bf16_bits)};
  if (settings.alibi.defined()) {
    options.alibi = parameter("--alibi", settings.alibi, bf16_bits, false);
  }
  if (settings.sinks.defined()) {
    options.sinks = parameter("--sinks", settings.sinks, bf16_bits, false);
  }
  if (settings.t5_table.defined()) {
    options.relative = {parameter("--t5-table", settings.t5_table, bf16_bits, false),
                        settings.t5_bidirectional, settings.t5_max_distance};
  } else if (settings.t5_bidirectional) {
    refuse("--t5-bidirectional", "needed --t5-table beside it, found none");
  }
  return options;
}

}  // namespace heed
