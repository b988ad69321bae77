#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/progress.h"

namespace heed::cli {

/// Calls work(texts, progress) with a few batches of the texts at a time, in order, so that what
/// it prints comes while the rest is computed; the bar shows all of them.
template <class Work>
void in_parts(const Context& context, const std::string& doing,
              const std::vector<std::string>& texts, const Work& work) {
  constexpr int64_t kBatches = 8;  // enough to sort texts by length
  ProgressBar bar(context, doing, "texts");
  const auto count = std::ssize(texts);
  const int64_t part = std::max<int64_t>(1, kBatches * context.batch);
  for (int64_t begin = 0; begin < count; begin += part) {
    const int64_t size = std::min(part, count - begin);
    const auto some =
        std::span(texts).subspan(static_cast<size_t>(begin), static_cast<size_t>(size));
    work(some, [&bar, begin, size, count](int64_t done, int64_t total) {
      bar.update(begin + done * size / std::max<int64_t>(1, total), count);
    });
    flush_output();
  }
}

}  // namespace heed::cli
