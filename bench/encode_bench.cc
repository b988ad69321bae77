// Heed's side of bench/encode.py: answers {"model", "lengths", "threads", "warm", "repeat"} lines
// with the seconds of each run and a sample of the last hidden state, as encode_worker.py does for
// the peers.
#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "bench/texts.h"
#include "bench/worker.h"
#include "heed/base/parallel.h"
#include "heed/models/registry.h"

namespace heed::bench {
namespace {

Job encode(const Encoder& encoder, const Job& job) {
  const int threads = job.at("threads");
  const auto lengths = job.at("lengths").get<std::vector<int64_t>>();
  const EncoderInput input = EncoderInput::from_rows(make_texts(lengths));
  Tensor state;
  if (job.at("warm")) state = encoder(input);  // caches, after the other peers' turns
  std::vector<double> seconds;
  for (int run = 0; run < job.at("repeat").get<int>(); ++run) {
    const double start = now(threads);
    state = encoder(input);
    seconds.push_back(now(threads) - start);
  }
  std::vector<float> sample;
  for (size_t row = 0; row < std::min<size_t>(8, lengths.size()); ++row) {
    const auto b = static_cast<int64_t>(row);
    for (const int64_t t : {int64_t{0}, lengths[row] - 1}) {
      sample.push_back(state.at<float>({b, t, 0}));
    }
  }
  return {{"seconds", seconds}, {"sample", sample}};
}

/// Answers jobs until there are no more; the model of a path stays from job to job.
int serve_states() {
  std::string path;
  std::shared_ptr<const Encoder> encoder;
  for (std::string line; std::getline(std::cin, line);) {
    const Job job = Job::parse(line);
    set_num_threads(job.at("threads"));
    if (path != job.at("model")) {
      encoder = nullptr;  // frees its memory first
      path = job.at("model").get<std::string>();
      encoder = load_encoder(path);
    }
    std::cout << encode(*encoder, job).dump() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace heed::bench

int main() { return heed::bench::serve_states(); }
