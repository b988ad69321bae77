#pragma once

#include <string>
#include <utility>
#include <vector>

#include "heed/lessons/arithmetic.h"
#include "heed/lessons/lesson.h"

namespace heed::lessons_internal {

/// Adds tables to a walk whose rows mostly have the same labels.
class StepList {
 public:
  StepList(std::vector<Step>& steps, Labels rows) : steps_(steps), rows_(std::move(rows)) {}

  Step& operator()(std::string name, std::string formula, std::string letters, Tensor values,
                   Labels columns, std::string says) const {
    return (*this)(std::move(name), std::move(formula), std::move(letters), std::move(values),
                   rows_, std::move(columns), std::move(says));
  }
  Step& operator()(std::string name, std::string formula, std::string letters, Tensor values,
                   Labels rows, Labels columns, std::string says) const {
    steps_.push_back({.name = std::move(name),
                      .formula = std::move(formula),
                      .letters = std::move(letters),
                      .values = std::move(values),
                      .rows = std::move(rows),
                      .columns = std::move(columns),
                      .says = std::move(says)});
    return steps_.back();
  }

 private:
  std::vector<Step>& steps_;
  Labels rows_;
};

}  // namespace heed::lessons_internal
