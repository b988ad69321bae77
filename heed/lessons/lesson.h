#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/progress.h"
#include "heed/lens/line_chart.h"
#include "heed/lens/picture.h"
#include "heed/tensor/tensor.h"

namespace heed {

/// How a step's columns are drawn as curves over its rows, whose labels are numbers.
struct StepCurves {
  std::string x_axis;
  std::string y_axis;
  bool log_x = false;
  bool log_y = false;
};

/// One number, vector or table of a walk: what it is called, how it is computed, and what to see.
struct Step {
  std::string section;               // heading that this step opens; empty within a section
  std::string name;                  // "weights"; unique within its lesson
  std::string formula;               // "w = softmax(s / sqrt(D))"
  std::string letters;               // what the dimensions of values are: "T S" (docs/shapes.md)
  Tensor values;                     // f32, [R, C]
  std::vector<std::string> rows;     // R labels, or empty
  std::vector<std::string> columns;  // C labels, or empty
  std::string says;                  // one or two sentences
  int decimals = 4;                  // digits after the point, at most
  bool heat_map = false;             // also drawn as a picture
  std::optional<float> lowest;       // of the colours, as in HeatMap
  std::optional<float> highest;
  std::optional<StepCurves> curves;
  bool numbers = true;  // false: in text only the picture is shown (large tables)
};

/// How a lesson that takes minutes is measured anew.
struct LessonRun {
  uint64_t seed = 0;
  Progress progress;  // may be empty
};

/// A walk through one idea of attention with true numbers, computed by the operators that run
/// models.
struct Lesson {
  std::string_view name;     // "bank", what the command line takes
  std::string_view title;    // a heading
  std::string_view summary;  // one sentence, for the list
  std::vector<Step> (*walk)();
  /// Where walk() shows a recording: the same, measured here and now. Error cancelled as soon as a
  /// stop is asked for (heed/base/cancel.h). Else null.
  std::vector<Step> (*run)(const LessonRun& how) = nullptr;
};

/// All lessons, in the order to read them.
const std::vector<Lesson>& lessons();
/// The lesson of that name, or nullptr.
const Lesson* find_lesson(std::string_view name);

/// A step's values as a heat map.
HeatMap heat_map_of(const Step& step);
/// The heat maps of a walk on one page.
Picture lesson_picture(std::string_view title, std::string_view caption,
                       const std::vector<Step>& steps);

/// The curves of a walk; most have none.
std::vector<LineChart> lesson_charts(const std::vector<Step>& steps);

/// A walk as text for a terminal: each step with its formula, shape, table and sentences, heat maps
/// where a step has one. Tables that are wider than the terminal fold into groups of columns;
/// beyond kMaxShown rows or columns the rest is counted instead of shown.
std::string draw_walk(std::string_view title, const std::vector<Step>& steps,
                      const TerminalStyle& style);
inline constexpr int64_t kMaxShown = 40;

}  // namespace heed
