// Heed's side of bench/search.py: the nearest rows of VECTORS.npy [N, W] to each row of QUERIES.npy
// [Q, W], rows of length 1, as f32. Prints a line of JSON: milliseconds of each query (the best of
// ROUNDS), the rows found, and what reading as many bytes as the scan reads takes at most.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <vector>

#include "bench/roofs.h"
#include "bench/worker.h"
#include "heed/base/parallel.h"
#include "heed/io/npy.h"
#include "heed/search/nearest.h"

namespace {

using namespace heed;

nlohmann::json measure(const RowBlock& block, const Tensor& queries, int64_t k, int rounds) {
  const int64_t width = queries.size(1);
  nlohmann::json times = nlohmann::json::array(), found = nlohmann::json::array();
  for (int64_t q = 0; q < queries.size(0); ++q) {
    const std::span query(queries.data<float>() + q * width, static_cast<size_t>(width));
    double best = 1e30;
    std::vector<Near> near;
    for (int round = 0; round < rounds; ++round) {
      const double start = bench::now(2);  // the wall's clock, as the peers'
      near = nearest({&block, 1}, query, k);
      best = std::min(best, bench::now(2) - start);
    }
    times.push_back(best * 1e3);
    nlohmann::json rows = nlohmann::json::array();
    for (const Near& one : near) rows.push_back(one.row);
    found.push_back(std::move(rows));
  }
  return {{"ms", std::move(times)}, {"rows", std::move(found)}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::cerr << "usage: bench_search VECTORS.npy QUERIES.npy K THREADS ROUNDS\n";
    return 2;
  }
  try {
    set_num_threads(std::atoi(argv[4]));
    const Tensor vectors = read_npy(argv[1]).contiguous();
    const Tensor queries = read_npy(argv[2]).contiguous();
    const int64_t count = vectors.size(0), width = vectors.size(1);
    const Tensor codes = Tensor::empty({count * code_width(width) / 4});  // bytes, aligned
    auto* bytes = reinterpret_cast<int8_t*>(codes.raw_data());
    std::vector<RowScale> scales(static_cast<size_t>(count));
    parallel_for(count, [&](int64_t i, int) {
      const std::span row(vectors.data<float>() + i * width, static_cast<size_t>(width));
      scales[static_cast<size_t>(i)] = quantize_row(row, bytes + i * code_width(width));
    });
    const RowBlock block{0, count, vectors.data<float>(), bytes, scales.data(), 1.0F + 1e-5F};
    nlohmann::json line = measure(block, queries, std::atoi(argv[3]), std::atoi(argv[5]));
    const int64_t read = count * (code_width(width) + int64_t{sizeof(RowScale)});
    line["read_ms"] = 1e3 * static_cast<double>(read) / bench::read_roof(read);
    std::cout << line << '\n';
  } catch (const std::exception& error) {
    std::cerr << "bench_search: " << error.what() << '\n';
    return 1;
  }
}
