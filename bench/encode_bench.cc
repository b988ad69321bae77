// Heed's side of bench/encode.py: answers {"batch", "tokens", "ragged", "threads", "repeat"} lines
// with the seconds of each run and a sample of the last hidden state, as encode_worker.py does for
// the peers.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/io/json.h"
#include "heed/models/registry.h"

namespace {

heed::EncoderInput make_input(int64_t batch, int64_t tokens, bool ragged) {
  std::vector<std::vector<int32_t>> rows(static_cast<size_t>(batch));
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t length = ragged ? tokens * (1 + b * 5 % 8) / 8 : tokens;
    for (int64_t t = 0; t < length; ++t) {
      rows[static_cast<size_t>(b)].push_back(
          static_cast<int32_t>(1000 + (b * 131 + t * 7919 + b * t) % 28000));
    }
  }
  return heed::EncoderInput::from_rows(rows);
}

heed::Json answer(const heed::Encoder& encode, const heed::Json& job) {
  heed::set_num_threads(job.at("threads").get<int>());
  const heed::EncoderInput input =
      make_input(job.at("batch").get<int64_t>(), job.at("tokens").get<int64_t>(),
                 job.at("ragged").get<bool>());
  heed::Tensor state = encode(input);  // caches warm after the other peers' turns
  std::vector<double> seconds;
  for (int run = 0; run < job.at("repeat").get<int>(); ++run) {
    const auto start = std::chrono::steady_clock::now();
    state = encode(input);
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::vector<float> sample;
  for (int64_t b = 0; b < std::min<int64_t>(8, state.size(0)); ++b) {
    sample.push_back(state.at<float>({b, 0, 0}));  // of texts' first tokens
  }
  return {{"seconds", seconds}, {"sample", sample}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: bench_encode MODEL_FOLDER\n";
    return 2;
  }
  try {
    const auto encoder = heed::load_encoder(argv[1]);
    for (std::string line; std::getline(std::cin, line);) {
      std::cout << answer(*encoder, heed::parse_json(line, "job")).dump() << std::endl;
    }
  } catch (const std::exception& error) {
    std::cerr << "bench_encode: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
