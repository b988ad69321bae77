#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "heed/io/json.h"
#include "tests/e2e/program.h"
#include "tests/letter_models.h"

namespace heed::testing {

/// The program on a model, given by --model at the end.
inline Result run_on(const LetterModel& model, std::vector<std::string> arguments,
                     const Invocation& how = {}) {
  arguments.insert(arguments.end(), {"--model", model.name()});
  return run_heed(arguments, how);
}

/// What --json printed, a line a value, after status 0.
inline std::vector<Json> json_lines(const Result& result) {
  EXPECT_EQ(result.status, 0) << result.err;
  std::vector<Json> lines;
  std::istringstream stream(result.out);
  for (std::string line; std::getline(stream, line);) lines.push_back(parse_json(line, "output"));
  return lines;
}

/// One line that says `part`, and status 2.
inline void expect_fault(const Result& result, const std::string& part) {
  EXPECT_EQ(result.status, 2) << result.out;
  EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
}

}  // namespace heed::testing
