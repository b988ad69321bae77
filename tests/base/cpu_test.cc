#include "heed/base/cpu.h"

#include <gtest/gtest.h>

#include "heed/base/file.h"
#include "tests/support.h"

namespace heed {
namespace {

using testing::TemporaryFolder;

void put(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  write_file(path, text);
}

TEST(Cpu, ReadsWhatTheSystemSays) {
  const TemporaryFolder root;
  std::string cpuinfo;
  for (int processor = 0; processor < 4; ++processor) {
    cpuinfo += "processor\t: " + std::to_string(processor) +
               "\nmodel name\t: Some Processor 9000\n" +
               "physical id\t: 0\ncore id\t\t: " + std::to_string(processor / 2) +
               "\nflags\t\t: fpu avx avx2 fma avx512f asimd amx_bf16\n\n";
  }
  put(root.path() / "proc/cpuinfo", cpuinfo);
  put(root.path() / "proc/meminfo", "MemTotal:        8000 kB\nMemFree: 1 kB\n");
  const auto caches = root.path() / "sys/devices/system/cpu/cpu0/cache";
  const char* const kCaches[][3] = {{"1", "Data", "48K"},
                                    {"1", "Instruction", "32K"},
                                    {"2", "Unified", "2048K"},
                                    {"3", "Unified", "8M"}};
  for (int i = 0; i < 4; ++i) {
    const auto cache = caches / ("index" + std::to_string(i));
    put(cache / "level", std::string(kCaches[i][0]) + "\n");
    put(cache / "type", std::string(kCaches[i][1]) + "\n");
    put(cache / "size", std::string(kCaches[i][2]) + "\n");
  }

  const CpuInfo info = internal::cpu_info(root.path());
  EXPECT_EQ(info.model, "Some Processor 9000");
  EXPECT_EQ(info.logical_cores, 4);
  EXPECT_EQ(info.physical_cores, 2);
  EXPECT_EQ(info.l1d_bytes, 48 << 10);
  EXPECT_EQ(info.l2_bytes, 2 << 20);
  EXPECT_EQ(info.l3_bytes, 8 << 20);
  EXPECT_EQ(info.memory_bytes, 8000 << 10);
#if defined(__aarch64__)
  EXPECT_TRUE(info.has("neon"));
  EXPECT_FALSE(info.has("sve"));
#else
  EXPECT_TRUE(info.has("avx2"));
  EXPECT_TRUE(info.has("amx_bf16"));
  EXPECT_FALSE(info.has("amx_int8"));
#endif
}

TEST(Cpu, AContainersLimitIsTheMemory) {
  const TemporaryFolder root;
  put(root.path() / "proc/meminfo", "MemTotal: 8000 kB\n");
  put(root.path() / "sys/fs/cgroup/memory.max", "1048576\n");
  EXPECT_EQ(internal::cpu_info(root.path()).memory_bytes, 1 << 20);
  put(root.path() / "sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(internal::cpu_info(root.path()).memory_bytes, 8000 << 10);
}

TEST(Cpu, ASystemThatSaysNothingIsNoError) {
  const TemporaryFolder root;
  const CpuInfo info = internal::cpu_info(root.path());
  EXPECT_EQ(info.model, "unknown");
  EXPECT_EQ(info.l1d_bytes, 0);
  EXPECT_FALSE(info.has("avx2"));
}

TEST(Cpu, ThisMachineHasCoresAndMemory) {
  const CpuInfo info = cpu_info();
  EXPECT_GE(info.logical_cores, info.physical_cores);
  EXPECT_GT(info.memory_bytes, 0);
}

}  // namespace
}  // namespace heed
