// Heed's side of bench/tokenizer.py: encodes every line of a file on one thread and prints one JSON
// object a run: tokens and processor seconds.
#include <ctime>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "heed/base/file.h"
#include "heed/text/tokenizer.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: bench_tokenizer MODEL_FOLDER TEXT_FILE\n";
    return 2;
  }
  try {
    const auto tokenizer = heed::Tokenizer::load(argv[1]);
    std::vector<std::string> lines;
    std::istringstream text(heed::read_file(argv[2]));
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    for (int run = 0; run < 5; ++run) {
      const std::clock_t start = std::clock();
      size_t tokens = 0;
      for (const std::string& line : lines) tokens += tokenizer->encode(line).ids.size();
      const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
      std::cout << "{\"tokens\": " << tokens << ", \"seconds\": " << seconds << "}\n";
    }
  } catch (const std::exception& error) {
    std::cerr << "bench_tokenizer: " << error.what() << '\n';
    return 1;
  }
}
