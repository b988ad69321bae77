#pragma once

namespace heed::kernels {

/// Whether this process may run AMX's tile products of bf16 on the machine: the processor has them,
/// the system saves the tiles, and Linux, which must be asked, has given its permission (asked for
/// once). Linux alone on x86-64.
bool machine_has_amx();

namespace internal {

/// Lets Isa::amx be pinned where the machine lacks it and runs the tile instructions in scalar code
/// (cpu/tiles-inl.h), so that tests hold the tile kernels to the law everywhere. Needs AVX-512.
void emulate_tiles(bool on);
bool tiles_emulated();

}  // namespace internal
}  // namespace heed::kernels
