// heed doctor: what this machine does with Heed, and what to do about each problem.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/terminal.h"
#include "heed/base/cpu.h"
#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/base/parallel.h"
#include "heed/io/hub.h"
#include "heed/kernels/dispatch.h"

namespace heed::cli {
namespace {

/// Something that makes Heed slow or unable, and the way out.
struct Problem {
  std::string what;
  std::string remedy;
};

struct Report {
  CpuInfo cpu;
  std::vector<kernels::KernelInfo> kernels;
  int threads = 0;
  double allowed_processors = 0;  // by the control group; 0: no limit
  std::vector<CachedModel> models;
  std::vector<Problem> problems;
};

/// Processors' worth of time that the control group (version 2) allows; 0 without a limit.
double allowed_processors() {
  try {
    const std::string limit =
        read_file("/sys/fs/cgroup/cpu.max");  // "150000 100000" or "max 100000"
    const size_t space = limit.find(' ');
    if (space == std::string::npos || limit.starts_with("max")) return 0;
    const double period = std::atof(limit.c_str() + space);
    return period > 0 ? std::atof(limit.c_str()) / period : 0;
  } catch (const Error&) {
    return 0;
  }
}

/// Words for the kind of machine, as docs/performance.md uses them for its figures.
std::string_view machine_class(const CpuInfo& cpu) {
  if (cpu.has("amx_tile")) return "AVX-512 with AMX (class A)";
  if (cpu.has("avx512_bf16")) return "AVX-512 with VNNI and bf16, no AMX";
  if (cpu.has("avx512_vnni")) return "AVX-512 with VNNI, neither AMX nor bf16 (class B)";
  if (cpu.has("avx512f")) return "AVX-512";
  if (cpu.has("avx2")) return "AVX2";
  if (cpu.has("neon")) return "NEON";
  return "no vector instructions that Heed uses";
}

std::vector<Problem> find_problems(const Report& report) {
  std::vector<Problem> problems;
  const kernels::Isa best = kernels::available_isas().back();
  if (best == kernels::Isa::reference) {
    problems.push_back(
        {"this processor lacks AVX2 (or NEON): everything runs in scalar code, slowly",
         "run on a machine with AVX2, or accept the wait"});
  } else if (kernels::active_isa() != best) {
    problems.push_back({fmt::format("HEED_ISA pins {} where {} could run",
                                    to_string(kernels::active_isa()), to_string(best)),
                        "unset HEED_ISA"});
  }
  const auto& isas = kernels::available_isas();
  if (report.cpu.has("amx_bf16") &&
      std::find(isas.begin(), isas.end(), kernels::Isa::amx) == isas.end()) {
    problems.push_back({"the processor has AMX, but the system does not let programs use its tiles",
                        "run on Linux 5.16 or newer, or accept slower bf16 attention"});
  }
  if (report.allowed_processors > 0 && report.threads > report.allowed_processors + 0.5) {
    problems.push_back(
        {fmt::format("{} threads share {:.3g} processors that the container may use",
                     report.threads, report.allowed_processors),
         fmt::format("export HEED_NUM_THREADS={}",
                     std::max(1, static_cast<int>(std::lround(report.allowed_processors))))});
  }
  if (report.cpu.memory_bytes > 0 && report.cpu.memory_bytes < (int64_t{1} << 29)) {
    problems.push_back({"less than 512 MB of memory: models may not fit", "allow more memory"});
  }
  if (report.models.empty()) {
    problems.push_back({"no model is in the hub's cache " + hub_cache().string(),
                        "run ./dev demo, which fetches all-MiniLM-L6-v2, or give --model FOLDER"});
  }
  if (!terminal_unicode()) {
    problems.push_back(
        {"the locale is not UTF-8: heat maps use plain characters", "export LC_ALL=C.UTF-8"});
  }
#ifndef NDEBUG
  problems.push_back({"this program was built without optimisation or with checks: it is slow",
                      "build with cmake --preset release (./dev build)"});
#endif
  return problems;
}

Report examine() {
  Report report;
  report.cpu = cpu_info();
  report.kernels = kernels::kernel_table();
  report.threads = num_threads();
  report.allowed_processors = allowed_processors();
  report.models = cached_models();
  report.problems = find_problems(report);
  return report;
}

std::string flags_of(const CpuInfo& cpu, bool present) {
  std::string flags;
  for (const CpuInfo::Flag& flag : cpu.flags) {
    if (flag.present == present) flags += (flags.empty() ? "" : " ") + flag.name;
  }
  return flags.empty() ? "none" : flags;
}

std::string isa_names() {
  std::vector<std::string> names;
  for (const kernels::Isa isa : kernels::available_isas()) names.emplace_back(to_string(isa));
  return listed(names);
}

/// Caches come in powers of two.
std::string cache_size(int64_t bytes) {
  if (bytes == 0) return "unknown";
  return bytes < (1 << 20) ? fmt::format("{} KiB", bytes >> 10)
                           : fmt::format("{} MiB", bytes >> 20);
}

void print_report(const Report& report) {
  const CpuInfo& cpu = report.cpu;
  std::string out = fmt::format("heed {}, built by {}\n", HEED_VERSION, HEED_COMPILER);
  const auto line = [&out](std::string_view name, const std::string& value) {
    out += fmt::format("{:<12} {}\n", name, value);
  };
  line("libraries", HEED_LIBRARIES);
  line("processor", cpu.model);
  line("kind", std::string(machine_class(cpu)));
  line("cores", fmt::format("{} ({} physical)", cpu.logical_cores, cpu.physical_cores));
  line("has", flags_of(cpu, true));
  line("lacks", flags_of(cpu, false));
  line("caches", fmt::format("L1d {}, L2 {} a core; L3 {}", cache_size(cpu.l1d_bytes),
                             cache_size(cpu.l2_bytes), cache_size(cpu.l3_bytes)));
  line("memory", cpu.memory_bytes == 0 ? "unknown" : human_bytes(cpu.memory_bytes));
  line("threads", std::to_string(report.threads));
  line("sets", fmt::format("{} in use; this machine runs {}", to_string(kernels::active_isa()),
                           isa_names()));
  out += "\noperators\n";
  size_t name_width = 0, source_width = 0;
  for (const kernels::KernelInfo& kernel : report.kernels) {
    name_width = std::max(name_width, std::string_view(kernel.op).size());
    source_width = std::max(source_width, std::string_view(kernel.source).size());
  }
  for (const kernels::KernelInfo& kernel : report.kernels) {
    out += fmt::format("  {:<{}} {:<11} {:<{}} {}\n", kernel.op, name_width, to_string(kernel.isa),
                       kernel.source, source_width, kernel.why);
  }
  out += fmt::format("\nmodels in {}\n", hub_cache().string());
  for (const CachedModel& model : report.models) out += "  " + model.name + "\n";
  if (report.models.empty()) out += "  none\n";
  out += "\n";
  for (const Problem& problem : report.problems) {
    out += fmt::format("problem: {}\n     do: {}\n", problem.what, problem.remedy);
  }
  if (report.problems.empty()) out += "No problem found.\n";
  print(out);
}

OutJson cpu_json(const CpuInfo& cpu) {
  OutJson flags = OutJson::object();
  for (const CpuInfo::Flag& flag : cpu.flags) flags[flag.name] = flag.present;
  return {{"model", cpu.model},
          {"kind", machine_class(cpu)},
          {"logical_cores", cpu.logical_cores},
          {"physical_cores", cpu.physical_cores},
          {"l1d_bytes", cpu.l1d_bytes},
          {"l2_bytes", cpu.l2_bytes},
          {"l3_bytes", cpu.l3_bytes},
          {"memory_bytes", cpu.memory_bytes},
          {"flags", flags}};
}

OutJson report_json(const Report& report) {
  OutJson available = OutJson::array();
  for (const kernels::Isa isa : kernels::available_isas()) available.push_back(to_string(isa));
  OutJson operators = OutJson::array();
  for (const kernels::KernelInfo& kernel : report.kernels) {
    operators.push_back({{"op", kernel.op},
                         {"isa", to_string(kernel.isa)},
                         {"source", kernel.source},
                         {"why", kernel.why}});
  }
  OutJson models = OutJson::array();
  for (const CachedModel& model : report.models) {
    models.push_back({{"name", model.name}, {"folder", model.folder.string()}});
  }
  OutJson problems = OutJson::array();
  for (const Problem& problem : report.problems) {
    problems.push_back({{"what", problem.what}, {"do", problem.remedy}});
  }
  return {{"version", HEED_VERSION},
          {"compiler", HEED_COMPILER},
          {"libraries", HEED_LIBRARIES},
          {"cpu", cpu_json(report.cpu)},
          {"threads", report.threads},
          {"isa", to_string(kernels::active_isa())},
          {"isas", available},
          {"operators", operators},
          {"hub_cache", hub_cache().string()},
          {"models", models},
          {"problems", problems}};
}

}  // namespace

void add_doctor(CLI::App& root, Context& context) {
  add_command(root, context,
              {.name = "doctor",
               .summary = "Tell what this machine does with Heed, and what to do about problems.",
               .details = "Processor and instruction sets, which kernel serves which operator and "
                          "why, threads, libraries, and the models in the hub's cache.",
               .example = "heed doctor"},
              [&context] {
                const Report report = examine();
                if (context.json) {
                  print_json(report_json(report));
                } else {
                  print_report(report);
                }
              });
}

}  // namespace heed::cli
