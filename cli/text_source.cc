#include "cli/text_source.h"

#include <algorithm>

#include "cli/command.h"
#include "cli/progress.h"
#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/io/csv.h"
#include "heed/text/utf8_fault.h"

namespace heed::cli {
namespace {

/// alone: the work's own steps are shown, not texts.
void some_by_some(ProgressBar& bar, bool alone, TextSource& source, int64_t most,
                  const TextWork& work) {
  int64_t before = 0;
  while (true) {
    const std::vector<std::string> texts = source.next(std::max<int64_t>(1, most));
    if (texts.empty()) return;
    const auto size = std::ssize(texts);
    work(texts, [&](int64_t done, int64_t total) {
      if (alone) return bar.update(done, total);
      bar.update(before + done * size / std::max<int64_t>(1, total), source.total());
    });
    flush_output();
    before += size;
    if (!alone) bar.update(before, source.total());
  }
}

bool is_standard_input(const TextInputs& inputs) {
  if (inputs.file.empty()) return inputs.texts == std::vector<std::string>{"-"};
  return inputs.file == "-" && inputs.texts.empty();
}

}  // namespace

TextSource::TextSource(const TextInputs& inputs) : streams_(is_standard_input(inputs)) {
  if (streams_) {
    check_field(inputs);
  } else {
    texts_ = read_texts(inputs);
  }
}

std::vector<std::string> TextSource::next(int64_t most) {
  std::vector<std::string> some;
  if (!streams_) {
    const auto begin = texts_.begin() + given_;
    some.assign(begin, begin + std::min(most, std::ssize(texts_) - given_));
    given_ += std::ssize(some);
    return some;
  }
  std::string line;
  while (std::ssize(some) < most && (some.empty() || reader_.ready())) {
    const LineReader::Ended ended = reader_.next(line);
    check_cancelled();
    if (ended == LineReader::Ended::input) break;
    some.emplace_back(given_++ == 0 ? without_byte_order_mark(line) : line);
    told_fault_ = told_fault_ || tell_utf8_fault(some.back(), "standard input", given_);
  }
  if (given_ == 0) {
    throw Error(ErrorCode::invalid_argument, "standard input: needed one text a line, found none");
  }
  return some;
}

void in_parts(const Context& context, const std::string& doing, TextSource& source,
              const TextWork& work) {
  constexpr int64_t kBatches = 8;  // enough to sort texts by length
  ProgressBar bar(context, doing, "texts");
  some_by_some(bar, false, source, kBatches * context.batch, work);
}

void in_turn(const Context& context, const std::string& doing, TextSource& source, int64_t most,
             const TextWork& work) {
  const bool alone = source.total() == 1;
  ProgressBar bar(context, doing, alone ? "windows" : "texts");
  some_by_some(bar, alone, source, most, work);
}

}  // namespace heed::cli
