#include "heed/kernels/dispatch.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <string>

#include "heed/base/error.h"
#include "heed/kernels/amx.h"
#include "hwy/targets.h"

namespace heed::kernels {
namespace {

constexpr std::array kIsas{Isa::reference, Isa::avx2, Isa::avx512, Isa::amx, Isa::neon};

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
    std::copy_if(kIsas.begin(), kIsas.end(), std::back_inserter(isas), machine_runs);
    return isas;
  }();
  return available;
}

Isa active_isa() { return chosen_isa().load(std::memory_order_relaxed); }

void pin_isa(Isa isa) {
  const bool emulated = isa == Isa::amx && internal::tiles_emulated() && machine_runs(Isa::avx512);
  if (!machine_runs(isa) && !emulated) refuse("pin_isa", to_string(isa));
  chosen_isa().store(isa);
}

std::vector<KernelInfo> kernel_table() {
  const Isa isa = active_isa();
  const Isa vectors = isa == Isa::amx ? Isa::avx512 : isa;
  const std::string folder = isa == Isa::reference ? "kernels/ref/" : "kernels/cpu/";
  std::string why = "best of " + list_available();
  if (isa != available_isas().back()) why = "pinned; this machine runs " + list_available();
  std::vector<KernelInfo> table;
  for (const std::string_view op : kOps) {
    table.push_back({op, folder + std::string(op) + ".cc", vectors, why});
    if (op == "attention" && isa == Isa::amx) {
      table.push_back({"attention bf16", folder + "attention_amx.cc", isa, why});
    }
  }
  return table;
}

}  // namespace heed::kernels
