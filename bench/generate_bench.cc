// Heed's side of bench/generate.py: reading prompts and writing on, greedily.
#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/roofs.h"
#include "bench/worker.h"
#include "heed/base/parallel.h"
#include "heed/generate/stepper.h"
#include "heed/models/registry.h"
#include "heed/tensor/storage.h"

namespace heed::bench {
namespace {

using Rows = std::vector<std::vector<int32_t>>;

/// The ids of generate_worker.py: each row begins with a token of its own.
Rows prompts(const Job& job, int64_t vocab) {
  Rows rows(job.at("batch").get<size_t>());
  const auto tokens = job.at("prompt").get<uint64_t>();
  for (uint64_t row = 0; row < rows.size(); ++row) {
    for (uint64_t i = 0; i < tokens; ++i) {
      const uint64_t drawn = (row * 7919 + i) * 2654435761U % 1000003U;
      rows[row].push_back(static_cast<int32_t>(drawn % static_cast<uint64_t>(vocab)));
    }
  }
  return rows;
}

void extend(Rows& rows, const Tensor& logits) {
  for (size_t row = 0; row < rows.size(); ++row) {
    const auto scores = logits.select(0, static_cast<int64_t>(row)).span<const float>();
    rows[row].push_back(static_cast<int32_t>(std::ranges::max_element(scores) - scores.begin()));
  }
}

Job write(const std::shared_ptr<const CausalModel>& model, const Job& job) {
  const int threads = job.at("threads"), steps = job.at("new");
  Rows rows = prompts(job, model->facts().vocab);
  std::vector<int64_t> parents;
  for (size_t row = 0; row < rows.size(); ++row) parents.push_back(static_cast<int64_t>(row));
  CachedStepper stepper(model);
  const double start = now(threads);
  extend(rows, stepper.next(rows, {}));
  const double first = now(threads);
  for (int step = 0; step < steps; ++step) extend(rows, stepper.next(rows, parents));
  const double end = now(threads);
  const auto& ids = rows.front();
  return {{"prompt_seconds", first - start},
          {"new_seconds", end - first},
          {"ids", std::vector<int32_t>(ids.end() - steps - 1, ids.end())},
          {"peak_bytes", memory_kb("VmHWM") * 1024}};
}

/// Answers jobs until there are no more; the model of a path stays from job to job.
int serve_texts(bool int8_activations) {
  set_cached_memory_limit(std::numeric_limits<int64_t>::max());
  std::string path;
  std::shared_ptr<const CausalModel> model;
  for (std::string line; std::getline(std::cin, line);) {
    const Job job = Job::parse(line);
    set_num_threads(job.at("threads"));
    if (job.contains("roof")) {
      std::cout << Job{{"bytes", read_roof(job.at("roof"))}}.dump() << std::endl;
      continue;
    }
    double load = 0;
    if (path != job.at("model") || job.contains("fresh")) {
      model = nullptr;              // frees its memory first
      const double start = now(2);  // by the clock on the wall, which waiting for a disk counts on
      path = job.at("model").get<std::string>();
      model = load_causal_model(path, {.int8_activations = int8_activations});
      load = now(2) - start;
    }
    Job reply = write(model, job);
    reply["load_seconds"] = load;
    std::cout << reply.dump() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace heed::bench

int main(int argc, char** argv) {
  return heed::bench::serve_texts(argc > 1 && std::string_view(argv[1]) == "int8");
}
