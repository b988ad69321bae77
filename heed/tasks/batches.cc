#include "heed/tasks/batches.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/base/parallel.h"

namespace heed {

void in_batches(std::span<const int64_t> lengths, int64_t batch,
                const std::function<void(std::span<const size_t> rows)>& run) {
  constexpr int64_t kTokensAtOnce = 4096;
  std::vector<size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](size_t i) { return lengths[i]; });
  for (size_t done = 0; done < order.size();) {
    check_cancelled();
    const int64_t longest = std::max<int64_t>(lengths[order[done]], 1);
    const int64_t fitting = std::max<int64_t>(1, std::min(batch, kTokensAtOnce / longest));
    const size_t count = std::min(order.size() - done, static_cast<size_t>(fitting));
    run(std::span(order).subspan(done, count));
    done += count;
  }
}

void need_tokens(const std::vector<int32_t>& ids, std::string_view text,
                 std::string_view operation) {
  if (!ids.empty()) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: needs a token or more of each text, found none of {}; leave such "
                          "texts (empty lines) out",
                          operation, in_quotes(text)));
}

namespace {

std::vector<Encoding> encode_each(std::span<const std::string> texts, int64_t max_tokens,
                                  std::string_view operation, RunNotes* notes,
                                  const std::function<Encoding(size_t i)>& encode) {
  constexpr int64_t kTextsAtOnce = 1024;  // between two looks at the cancel flag
  const auto count = std::ssize(texts);
  std::vector<Encoding> encodings(texts.size());
  for (int64_t begin = 0; begin < count; begin += kTextsAtOnce) {
    check_cancelled();
    parallel_for(std::min(kTextsAtOnce, count - begin), [&](int64_t task, int) {
      const auto i = static_cast<size_t>(begin + task);
      encodings[i] = encode(i);
    });
  }
  for (size_t i = 0; i < texts.size(); ++i) need_tokens(encodings[i].ids, texts[i], operation);
  RunNotes own;
  (notes != nullptr ? notes : &own)
      ->count(count, std::ranges::count(encodings, true, &Encoding::truncated), max_tokens);
  own.finish(operation);
  return encodings;
}

}  // namespace

std::vector<Encoding> encode_texts(const Tokenizer& tokenizer, std::span<const std::string> texts,
                                   int64_t max_tokens, std::string_view operation,
                                   RunNotes* notes) {
  return encode_each(texts, max_tokens, operation, notes, [&](size_t i) {
    return tokenizer.encode(texts[i], {.max_tokens = max_tokens});
  });
}

std::vector<Encoding> encode_pairs(const Tokenizer& tokenizer, std::span<const std::string> texts,
                                   std::span<const std::string> seconds, int64_t max_tokens,
                                   std::string_view operation, RunNotes* notes) {
  if (texts.size() != seconds.size()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: needs a second text for each of {}, found {}", operation,
                            counted(std::ssize(texts), "text"), seconds.size()));
  }
  return encode_each(texts, max_tokens, operation, notes, [&](size_t i) {
    return tokenizer.encode_pair(texts[i], seconds[i], {.max_tokens = max_tokens});
  });
}

std::vector<int64_t> lengths_of(std::span<const Encoding> encodings) {
  std::vector<int64_t> lengths;
  for (const Encoding& encoding : encodings) lengths.push_back(std::ssize(encoding.ids));
  return lengths;
}

EncoderInput input_of(std::span<const Encoding> encodings, std::span<const size_t> rows,
                      const EncoderFacts& facts) {
  std::vector<std::vector<int32_t>> ids, types;
  for (const size_t row : rows) {
    ids.push_back(encodings[row].ids);
    if (facts.types > 1) types.push_back(encodings[row].type_ids);
  }
  return EncoderInput::from_rows(ids, types);
}

}  // namespace heed
