#include "heed/kernels/dispatch.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <string>

#include "heed/base/error.h"
#include "heed/kernels/amx.h"
#include "heed/kernels/bf16_dots.h"
#include "hwy/targets.h"

namespace heed::kernels {
namespace {

/// From the slowest to the fastest.
std::array<Isa, 6> ordered_isas() {
  const bool pay = bf16_dots_pay();
  return {Isa::reference,
          Isa::avx2,
          pay ? Isa::avx512 : Isa::avx512_bf16,
          pay ? Isa::avx512_bf16 : Isa::avx512,
          Isa::amx,
          Isa::neon};
}

// Highway's probe also asks whether the system saves the wide registers. NEON is part of AArch64.
int64_t probe_targets() {
#if defined(__aarch64__)
  return HWY_NEON;
#else
  return hwy::SupportedTargets();
#endif
}

bool machine_runs(Isa isa) {
  static const int64_t targets = probe_targets();
  switch (isa) {
    case Isa::reference:
      return true;
    case Isa::avx2:
      return (targets & HWY_AVX2) != 0;
    case Isa::avx512:
      return (targets & HWY_AVX3) != 0;
    case Isa::avx512_bf16:
      return (targets & HWY_AVX3) != 0 && machine_has_bf16_dots();
    case Isa::amx:
      return (targets & HWY_AVX3) != 0 && machine_has_amx();
    case Isa::neon:
      return (targets & HWY_NEON) != 0;
  }
  return false;
}

std::string list_available() {
  std::string text;
  for (const Isa isa : available_isas()) {
    if (!text.empty()) text += ", ";
    text += to_string(isa);
  }
  return text;
}

[[noreturn]] void refuse(std::string_view operation, std::string_view found) {
  throw Error(ErrorCode::invalid_argument,
              std::string(operation) + ": needed one of " + list_available() +
                  " (what this machine runs), found " + std::string(found));
}

Isa isa_at_start() {
  const char* wanted = std::getenv("HEED_ISA");
  if (wanted == nullptr || *wanted == '\0') return available_isas().back();
  for (const Isa isa : available_isas()) {
    if (to_string(isa) == wanted) return isa;
  }
  refuse("HEED_ISA", wanted);
}

std::atomic<Isa>& chosen_isa() {
  static std::atomic<Isa> chosen = isa_at_start();
  return chosen;
}

// The operations whose fast source is kernels/cpu/<op>.cc and whose law is kernels/ref/<op>.cc.
constexpr auto kOps = std::to_array<std::string_view>({
    "activation",
    "attention",
    "attention_backward",
    "block_product",
    "blocks",
    "cross_entropy",
    "dropout",
    "elementwise",
    "int8_dots",
    "int8_product",
    "linear",
    "normalization",
    "normalization_backward",
    "optimizer",
    "product",
    "recurrent",
    "rotary",
});

}  // namespace

std::string_view to_string(Isa isa) {
  switch (isa) {
    case Isa::reference:
      return "reference";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
    case Isa::avx512_bf16:
      return "avx512_bf16";
    case Isa::amx:
      return "amx";
    case Isa::neon:
      return "neon";
  }
  return "unknown";
}

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> available = [] {
    std::vector<Isa> isas;
    const auto all = ordered_isas();
    std::copy_if(all.begin(), all.end(), std::back_inserter(isas), machine_runs);
    return isas;
  }();
  return available;
}

Isa active_isa() { return chosen_isa().load(std::memory_order_relaxed); }

void pin_isa(Isa isa) {
  const bool emulated = (isa == Isa::amx && internal::tiles_emulated()) ||
                        (isa == Isa::avx512_bf16 && internal::dots_emulated());
  if (!machine_runs(isa) && !(emulated && machine_runs(Isa::avx512)))
    refuse("pin_isa", to_string(isa));
  chosen_isa().store(isa);
}

std::vector<KernelInfo> kernel_table() {
  const Isa isa = active_isa();
  const Isa vectors = multiplies_pairs(isa) ? Isa::avx512 : isa;
  const std::string folder = isa == Isa::reference ? "kernels/ref/" : "kernels/cpu/";
  std::string why = "best of " + list_available();
  if (isa != available_isas().back()) why = "pinned; this machine runs " + list_available();
  std::vector<KernelInfo> table;
  for (const std::string_view op : kOps) {
    table.push_back({op, folder + std::string(op) + ".cc", vectors, why});
    if (op == "attention" && multiplies_pairs(isa)) {
      const char* file = isa == Isa::amx ? "attention_amx.cc" : "attention_bf16.cc";
      table.push_back({"attention bf16", folder + file, isa, why});
    }
  }
  return table;
}

}  // namespace heed::kernels
