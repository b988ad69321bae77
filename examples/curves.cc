// Which of several training runs was better? A column of their metrics as curves:
//   example_curves valid_loss curves.svg "from scratch=runs/scratch" "from MiniLM=runs/minilm"

#include <heed/heed.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace {

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream parts(line);
  for (std::string cell; std::getline(parts, cell, ',');) cells.push_back(cell);
  return cells;
}

/// The column over the steps, where it has numbers.
heed::LineChart::Series series_of(const std::string& name, const std::string& folder,
                                  const std::string& column) {
  std::ifstream file(folder + "/metrics.csv");
  heed::LineChart::Series series{.name = name, .x = {}, .y = {}};
  std::string line;
  std::getline(file, line);
  const std::vector<std::string> names = cells_of(line);
  const auto at = static_cast<size_t>(std::ranges::find(names, column) - names.begin());
  while (std::getline(file, line)) {
    const std::vector<std::string> cells = cells_of(line);
    if (at >= cells.size() || cells[at].empty()) continue;
    series.x.push_back(std::stod(cells[0]));
    series.y.push_back(std::stod(cells[at]));
  }
  return series;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 4) {
    std::fprintf(stderr, "usage: example_curves COLUMN FILE NAME=FOLDER...\n");
    return 2;
  }
  heed::LineChart chart{.title = argv[1], .x_axis = "updates", .y_axis = argv[1], .series = {}};
  for (int i = 3; i < argc; ++i) {
    const std::string run = argv[i];
    const size_t equals = std::min(run.find('='), run.size() - 1);
    chart.series.push_back(series_of(run.substr(0, equals), run.substr(equals + 1), argv[1]));
  }
  heed::save_chart(chart, argv[2], heed::Theme::light);
} catch (const heed::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
