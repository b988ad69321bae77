#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace heed {

/// What this machine is, for reports (`heed doctor`, benchmark headers). Kernels do not choose by
/// it: heed/kernels/dispatch.h does.
struct CpuInfo {
  struct Flag {
    std::string name;  // as Linux names it: "avx2", "amx_bf16"; Arm's asimd is "neon"
    bool present = false;
  };

  std::string model;         // "unknown" where the system does not say
  int logical_cores = 0;     // that the system has online
  int physical_cores = 0;    // the same without hyper-threads
  int64_t l1d_bytes = 0;     // of one core; 0 where unknown, here and below
  int64_t l2_bytes = 0;      // of one core
  int64_t l3_bytes = 0;      // shared
  int64_t memory_bytes = 0;  // physical, or the container's limit where that is lower
  std::vector<Flag> flags;   // those that decide how fast Heed is, in a fixed order, present or not

  bool has(std::string_view flag) const;
};

CpuInfo cpu_info();

namespace internal {

/// The system's files under another root (tests): root/proc/cpuinfo, root/sys/...
CpuInfo cpu_info(const std::filesystem::path& root);

}  // namespace internal
}  // namespace heed
