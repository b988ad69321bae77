// What heed attend takes beside q, k and v: texts of options, and arrays of any shape and dtype
// where parameters are expected. Small q, k, v, and every option at once: an Error, or rows that
// are a softmax, with gradients and reports.
#include <fuzzer/FuzzedDataProvider.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "heed/base/error.h"
#include "heed/ops/attention_backward.h"
#include "heed/tasks/attend.h"

namespace {

using namespace heed;

/// Mostly undefined; else any dtype, a small shape, any bytes.
Tensor any_array(FuzzedDataProvider& data) {
  if (data.ConsumeIntegralInRange(0, 3) != 0) return {};
  constexpr DType kDTypes[] = {DType::f32, DType::f32, DType::f16,     DType::u16,
                               DType::i32, DType::i64, DType::boolean, DType::f64};
  const DType dtype = data.PickValueInArray(kDTypes);
  Shape shape;
  for (int rank = data.ConsumeIntegralInRange(0, 5); rank > 0; --rank) {
    shape.push_back(data.ConsumeIntegralInRange<int64_t>(0, 4));
  }
  const Tensor array = Tensor::zeros(shape, dtype);
  const auto bytes =
      data.ConsumeBytes<uint8_t>(static_cast<size_t>(array.numel() * size_of(dtype)));
  if (!bytes.empty()) std::memcpy(array.raw_data(), bytes.data(), bytes.size());
  if (dtype == DType::boolean) {
    for (size_t i = 0; i < bytes.size(); ++i) array.raw_data()[i] = std::byte(bytes[i] & 1U);
  }
  // Small whole numbers are what lengths, offsets and starts mostly are.
  if (dtype == DType::i32) {
    for (int32_t& x : array.span<int32_t>()) x = x % 8 == 7 ? x : x % 8;
  }
  return array;
}

AttendSettings any_settings(FuzzedDataProvider& data) {
  AttendSettings settings;
  const auto any_number = [&] {
    return data.ConsumeBool() ? data.ConsumeFloatingPoint<float>()
                              : data.ConsumeFloatingPointInRange(0.0F, 8.0F);
  };
  if (data.ConsumeBool()) settings.scale = any_number();
  if (data.ConsumeBool()) settings.softcap = any_number();
  const char* const kCausal[] = {"", "top-left", "bottom-right", "left"};
  settings.causal = data.PickValueInArray(kCausal);
  if (data.ConsumeBool()) {
    const auto side = [&] { return std::to_string(data.ConsumeIntegralInRange(-1, 6)); };
    settings.window = side() + "," + side();
  }
  for (Tensor* array :
       {&settings.causal_offsets, &settings.lengths, &settings.segments_q, &settings.segments_k,
        &settings.mask, &settings.bias, &settings.alibi, &settings.sinks, &settings.t5_table}) {
    *array = any_array(data);
  }
  settings.t5_bidirectional = settings.t5_table.defined() && data.ConsumeBool();
  settings.t5_max_distance =
      data.ConsumeBool() ? data.ConsumeIntegral<int64_t>() : data.ConsumeIntegralInRange(1, 99);
  return settings;
}

Tensor any_rows(FuzzedDataProvider& data, const Shape& shape) {
  const Tensor rows = Tensor::empty(shape);
  for (float& x : rows.span<float>()) x = data.ConsumeFloatingPointInRange(-4.0F, 4.0F);
  return rows;
}

void expect(bool holds) {
  if (!holds) std::abort();
}

void attend(FuzzedDataProvider& data) {
  const AttendSettings settings = any_settings(data);
  const auto size = [&] { return data.ConsumeIntegralInRange<int64_t>(0, 4); };
  const int64_t b = size(), g = size(), h = g * size(), t = size(), s = size(), d = size();
  const Tensor q = any_rows(data, {b, h, t, d});
  const Tensor k = any_rows(data, {b, g, s, d});
  const AttentionOptions options = attend_options(settings, data.ConsumeBool());
  const AttentionOutputs out =
      attention_outputs(q, k, k, options, {.lse = true, .weights = true, .scores = true});
  for (int64_t row = 0; row < b * h * t; ++row) {
    float sum = 0;
    for (int64_t i = 0; i < s; ++i) sum += out.weights.data<float>()[row * s + i];
    expect(std::isnan(sum) || (sum >= 0 && sum <= 1.001F));
  }
  attention_backward(q, k, k, options, out.y, out.lse, out.y,
                     {.bias = !options.mask.additives().empty(),
                      .alibi = options.alibi.defined(),
                      .t5_table = options.relative.has_value(),
                      .sinks = options.sinks.defined()});
}

/// What --report, --keys, --bins and --tile say of three queries and five keys.
void report(FuzzedDataProvider& data) {
  const Tensor q = any_rows(data, {1, 1, 3, 2});
  const Tensor k = any_rows(data, {1, 1, 5, 2});
  AttentionReportWant want = parse_attention_report(data.ConsumeRandomLengthString());
  want.lists.push_back({.keys = parse_numbers("--keys", data.ConsumeRandomLengthString())});
  want.bins = parse_numbers("--bins", data.ConsumeRandomLengthString());
  const AttentionReport out = attention_report(q, k, k, {}, want);
  for (const auto& [name, array] : named_arrays(out, want)) expect(array.defined());
  const AttendTile tile = parse_tile(data.ConsumeRemainingBytesAsString());
  attention_tile(q, k, out.lse, {}, tile.rows, tile.keys);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider data(bytes, size);
  const int kind = data.ConsumeIntegralInRange(0, 5);
  try {
    if (kind == 0) {
      parse_window(data.ConsumeRemainingBytesAsString());
    } else if (kind == 1) {
      parse_tile(data.ConsumeRemainingBytesAsString());
    } else if (kind == 2) {
      report(data);
    } else {
      attend(data);
    }
  } catch (const Error&) {
  }
  return 0;
}
