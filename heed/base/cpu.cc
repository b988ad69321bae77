#include "heed/base/cpu.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "heed/base/error.h"
#include "heed/base/file.h"

namespace heed {
namespace {

#if defined(__aarch64__)
constexpr std::string_view kFlags[] = {"neon", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2"};
#else
constexpr std::string_view kFlags[] = {"avx2",        "fma",         "f16c",        "avx512f",
                                       "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile",
                                       "amx_int8",    "amx_bf16"};
#endif

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

/// The file's content, or nothing: a system without it is not an error.
std::string read_if_there(const std::filesystem::path& path) {
  try {
    return read_file(path);
  } catch (const Error&) {
    return {};
  }
}

/// Leading decimal digits of text and what follows them.
std::optional<std::pair<int64_t, std::string_view>> number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  return std::pair{value, text.substr(static_cast<size_t>(end - text.data()))};
}

/// "48K", "2M" and "266240K", as Linux writes the sizes of caches.
int64_t parse_size(std::string_view text) {
  const auto parsed = number(trim(text));
  if (!parsed) return 0;
  const auto& [value, unit] = *parsed;
  if (unit.starts_with('K')) return value << 10;
  if (unit.starts_with('M')) return value << 20;
  return value;
}

/// Reads the blocks of /proc/cpuinfo, one a logical core.
void read_cpuinfo(std::string_view text, CpuInfo& info) {
  std::set<std::pair<std::string, std::string>> cores;
  std::set<std::string, std::less<>> flags;
  std::string package;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string_view key = trim(std::string_view(line).substr(0, colon));
    const std::string_view value = trim(std::string_view(line).substr(colon + 1));
    if (key == "processor") ++info.logical_cores;
    if (key == "model name" && info.model.empty()) info.model = value;
    if (key == "physical id") package = value;
    if (key == "core id") cores.emplace(package, value);
    if ((key == "flags" || key == "Features") && flags.empty()) {
      std::istringstream words{std::string(value)};
      for (std::string word; words >> word;) flags.insert(word == "asimd" ? "neon" : word);
    }
  }
  info.physical_cores = cores.empty() ? info.logical_cores : static_cast<int>(cores.size());
  for (const std::string_view name : kFlags) {
    info.flags.push_back({std::string(name), flags.contains(name)});
  }
}

void read_caches(const std::filesystem::path& folder, CpuInfo& info) {
  for (int index = 0; index < 8; ++index) {
    const std::filesystem::path cache = folder / ("index" + std::to_string(index));
    const auto level = number(read_if_there(cache / "level"));
    if (!level) return;
    if (trim(read_if_there(cache / "type")) == "Instruction") continue;
    const int64_t bytes = parse_size(read_if_there(cache / "size"));
    if (level->first == 1) info.l1d_bytes = bytes;
    if (level->first == 2) info.l2_bytes = bytes;
    if (level->first == 3) info.l3_bytes = bytes;
  }
}

/// Physical memory, or what the control group allows (both its versions) where that is less.
int64_t read_memory(const std::filesystem::path& root) {
  int64_t bytes = 0;
  const std::string meminfo = read_if_there(root / "proc/meminfo");
  constexpr std::string_view kKey = "MemTotal:";
  if (const size_t at = meminfo.find(kKey); at != std::string::npos) {
    const auto kilobytes = number(trim(std::string_view(meminfo).substr(at + kKey.size())));
    if (kilobytes) bytes = kilobytes->first << 10;
  }
  for (const char* limit :
       {"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const auto allowed = number(read_if_there(root / limit));
    if (allowed && allowed->first > 0) bytes = std::min(bytes, allowed->first);
  }
  return bytes;
}

}  // namespace

bool CpuInfo::has(std::string_view flag) const {
  return std::any_of(flags.begin(), flags.end(),
                     [&](const Flag& f) { return f.name == flag && f.present; });
}

CpuInfo cpu_info() { return internal::cpu_info("/"); }

CpuInfo internal::cpu_info(const std::filesystem::path& root) {
  CpuInfo info;
  read_cpuinfo(read_if_there(root / "proc/cpuinfo"), info);
  read_caches(root / "sys/devices/system/cpu/cpu0/cache", info);
  info.memory_bytes = read_memory(root);
  if (info.model.empty()) info.model = "unknown";
  return info;
}

}  // namespace heed
