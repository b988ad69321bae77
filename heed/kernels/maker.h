#pragma once

namespace heed::kernels {

/// Whether the processor is AMD's. For what no feature bit says: how fast an instruction is.
bool made_by_amd();

}  // namespace heed::kernels
