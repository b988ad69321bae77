#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace heed::kernels {

/// Instruction sets that kernels are written for, from least to most.
enum class Isa : uint8_t {
  reference,  // readable scalar code: the law, and what older machines run
  avx2,       // with FMA
  avx512,     // F, BW, CD, DQ, VL
  neon,
  sve,
};

/// "reference", "avx2" and so on.
std::string_view to_string(Isa isa);

/// Those this machine can run, reference first, best last.
const std::vector<Isa>& available_isas();

/// The one that kernels use: the best available, or what HEED_ISA names (an unknown or unavailable
/// name is an Error invalid_argument that lists the available ones).
Isa active_isa();

/// Uses isa from now on (tests). Error invalid_argument if this machine cannot.
void pin_isa(Isa isa);

/// Which Highway target bits belong to the active set, for the vector sources' own dispatch.
int64_t highway_targets(Isa isa);

}  // namespace heed::kernels
