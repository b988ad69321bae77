#include "cli/line_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>

#include "heed/base/file.h"
#include "tests/support.h"

namespace heed::cli {
namespace {

/// Standard input holds this content while one lives.
class StandardInput {
 public:
  explicit StandardInput(const std::string& content) : kept_(::dup(STDIN_FILENO)) {
    write_file(folder_ / "in", content);
    const int file = ::open((folder_ / "in").c_str(), O_RDONLY | O_CLOEXEC);
    ::dup2(file, STDIN_FILENO);
    ::close(file);
  }
  ~StandardInput() {
    ::dup2(kept_, STDIN_FILENO);
    ::close(kept_);
  }
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;

 private:
  testing::TemporaryFolder folder_;
  int kept_;
};

std::vector<std::string> all_lines() {
  LineReader reader;
  std::vector<std::string> lines;
  for (std::string line; reader.next(line) == LineReader::Ended::line;) lines.push_back(line);
  return lines;
}

TEST(LineReader, LinesOfAnyLengthComeWithoutTheirEnds) {
  const std::string longer(200'000, 'x');
  const StandardInput input("a\r\n\n" + longer + "\nb\n" + longer + "y");
  EXPECT_EQ(all_lines(), (std::vector<std::string>{"a", "", longer, "b", longer + "y"}));
}

TEST(LineReader, ALastEmptyLineIsNone) {
  const StandardInput input("\n\n");
  EXPECT_EQ(all_lines(), (std::vector<std::string>{"", ""}));
}

TEST(LineReader, AVeryLongLineTakesTimeInProportion) {
  // searched from its beginning after every 4 KB, so many bytes took half a minute
  const std::string longest(size_t{48} << 20, 'x');
  const StandardInput input(longest + "\na");
  const std::clock_t start = std::clock();  // processor time: other programs do not add to it
  const auto lines = all_lines();
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_TRUE(lines[0] == longest && lines[1] == "a");
  EXPECT_LT(seconds, 5);
}

}  // namespace
}  // namespace heed::cli
