// Heed's side of bench/generate.py: reading prompts and writing on, greedily.
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/roofs.h"
#include "bench/worker.h"
#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/generate/stepper.h"
#include "heed/models/registry.h"

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

/// What the keys and values of a token take, of all layers.
int64_t cache_token_bytes(const std::shared_ptr<const CausalModel>& model) {
  CachedStepper stepper(model, {.cache = {.page_tokens = 1}});
  stepper.next({{0}}, {});
  return stepper.cache_bytes();
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
          {"cache_token_bytes", cache_token_bytes(model)},
          {"peak_bytes", memory_kb("VmHWM") * 1024}};
}

/// Answers jobs; the model of a path stays from job to job.
class Server {
 public:
  explicit Server(bool int8_activations) : int8_activations_(int8_activations) {}

  Job answer(const Job& job) {
    set_num_threads(job.at("threads"));
    if (job.contains("roof")) return {{"bytes", read_roof(job.at("roof"))}};
    double load = 0;
    if (path_ != job.at("model") || job.contains("fresh")) {
      model_ = nullptr;             // frees its memory first
      const double start = now(2);  // by the clock on the wall, which waiting for a disk counts on
      path_ = job.at("model").get<std::string>();
      try {
        model_ = load_causal_model(path_, {.int8_activations = int8_activations_});
      } catch (const Error& error) {
        return {{"refused", error.what()}};
      }
      load = now(2) - start;
    }
    Job reply = write(model_, job);
    reply["load_seconds"] = load;
    return reply;
  }

 private:
  bool int8_activations_;
  std::string path_;
  std::shared_ptr<const CausalModel> model_;
};

int serve_texts(bool int8_activations) {
  Server server(int8_activations);
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << server.answer(Job::parse(line)).dump() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace heed::bench

int main(int argc, char** argv) {
  return heed::bench::serve_texts(argc > 1 && std::string_view(argv[1]) == "int8");
}
