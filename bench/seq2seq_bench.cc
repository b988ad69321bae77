// Heed's side of bench/seq2seq.py: what an encoder-decoder writes from sources, greedily or by beam
// search, and how long that takes.
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/texts.h"
#include "bench/worker.h"
#include "heed/base/parallel.h"
#include "heed/generate/generator.h"

namespace heed::bench {
namespace {

Job write(const Translator& translator, const Job& job) {
  const int threads = job.at("threads");
  GenerateOptions options = translator.defaults();
  options.max_new_tokens = job.at("new");
  options.rules.min_new_tokens = options.max_new_tokens;
  options.beams = job.at("beams");
  std::vector<std::vector<int32_t>> sources = make_texts(job.at("lengths"));
  const double start = now(threads);
  const std::vector<Generated> texts = translator.batch(std::move(sources), options);
  const double seconds = now(threads) - start;
  std::vector<std::vector<int32_t>> ids;
  for (const Generated& text : texts) ids.push_back(text.ids);
  return {{"seconds", seconds}, {"ids", ids}, {"peak_bytes", memory_kb("VmHWM") * 1024}};
}

/// Answers jobs until there are no more; the model of a path stays from job to job.
int serve_texts() {
  std::string path;
  std::optional<Translator> translator;
  for (std::string line; std::getline(std::cin, line);) {
    const Job job = Job::parse(line);
    set_num_threads(job.at("threads"));
    if (path != job.at("model")) {
      translator.reset();  // frees its memory first
      path = job.at("model").get<std::string>();
      translator = Translator::load(path);
    }
    std::cout << write(*translator, job).dump() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace heed::bench

int main() { return heed::bench::serve_texts(); }
