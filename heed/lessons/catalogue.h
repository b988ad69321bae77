#pragma once

#include <vector>

#include "heed/lessons/lesson.h"

namespace heed::lessons_internal {

// One function a lesson, each in its own file; lesson.cc lists them.
std::vector<Step> walk_bank();
std::vector<Step> walk_spotlight();
std::vector<Step> walk_library();
std::vector<Step> walk_journey();
std::vector<Step> walk_scratch();
std::vector<Step> walk_cross();
std::vector<Step> walk_heads();
std::vector<Step> walk_causal();
std::vector<Step> walk_positions();
std::vector<Step> walk_block();
std::vector<Step> walk_training();
std::vector<Step> walk_recurrent();
std::vector<Step> run_recurrent(const LessonRun& how);

}  // namespace heed::lessons_internal
