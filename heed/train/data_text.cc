#include "heed/train/data_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <vector>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/base/parallel.h"
#include "heed/base/paths.h"
#include "heed/io/csv.h"
#include "heed/io/npy.h"
#include "heed/ops/cross_entropy.h"
#include "heed/text/unicode.h"
#include "heed/text/utf8_fault.h"
#include "heed/train/draws.h"

namespace heed {
namespace {

constexpr size_t kPartBytes = size_t{1} << 18;

/// Whether a part may end behind the new line at `at`: patterns join it with signs before it or
/// with white space on either side, but not with a letter or digit behind it.
bool may_end(std::string_view text, size_t at) {
  size_t before = at - 1;
  while (before > 0 && (static_cast<unsigned char>(text[before]) & 0xC0U) == 0x80) --before;
  const std::u32string last = decode_utf8(text.substr(before, at - before)).chars;
  const std::u32string next = decode_utf8(text.substr(at + 1, 4)).chars;
  if (last.empty() || next.empty() || is_whitespace(last.back())) return false;
  const char32_t c = next.front();
  return c < 0x80 ? is_word(c) && c != U'_' : !is_whitespace(c);
}

size_t part_end(std::string_view text, size_t begin) {
  for (size_t at = begin + kPartBytes; at + 1 < text.size(); ++at) {
    if (text[at] == '\n' && may_end(text, at)) return at + 1;
  }
  return text.size();
}

std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = part_end(text, begin);
    parts.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return parts;
}

Tensor read_bin(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const auto bytes = static_cast<int64_t>(file->bytes().size());
  if (bytes % 2 != 0) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{}: a .bin file of ids must have an even number of bytes but has {}",
                            path.string(), bytes));
  }
  return Tensor::view(Storage::borrow(file->bytes().data(), bytes, file), 0, {bytes / 2},
                      DType::u16);
}

Tensor read_ids(const std::filesystem::path& path) {
  if (ending_of(path) == ".bin") return read_bin(path);
  Tensor ids = read_npy(path);
  const bool fits = ids.rank() == 1 && (ids.dtype() == DType::u16 || ids.dtype() == DType::i32);
  if (fits) return ids;
  throw Error(ErrorCode::corrupt_data,
              fmt::format("{}: ids must be one dimension of uint16 or int32 but are {} {}",
                          path.string(), to_string(ids.shape()), to_string(ids.dtype())));
}

template <class F>
auto with_ids(const Tensor& ids, F f) {
  if (ids.dtype() == DType::u16) return f(ids.span<uint16_t>());
  return f(ids.span<int32_t>());
}

TextBatch empty_batch(int64_t rows, int64_t block) {
  TextBatch batch{Tensor::zeros({rows, block}, DType::i32),
                  Tensor::empty({rows, block}, DType::i32)};
  std::ranges::fill(batch.targets.span<int32_t>(), kNoTarget);
  return batch;
}

/// Row r takes `count` tokens from `begin` on, and as many targets one further.
void fill_row(TextBatch& batch, int64_t r, const TokenStream& tokens, int64_t begin,
              int64_t count) {
  const int64_t block = batch.ids.size(1);
  tokens.copy(begin, count, batch.ids.data<int32_t>() + r * block);
  tokens.copy(begin + 1, count, batch.targets.data<int32_t>() + r * block);
  batch.tokens += count;
}

}  // namespace

bool holds_ids(const std::filesystem::path& path) {
  const std::string ending = ending_of(path);
  return ending == ".npy" || ending == ".bin";
}

std::string read_text(const std::filesystem::path& path) {
  std::string content = read_file(path);
  if (const std::string fault = utf8_fault(content, path.string()); !fault.empty()) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{} at {} of the file", fault, valid_utf8_bytes(content)));
  }
  content.erase(0, content.size() - without_byte_order_mark(content).size());
  return content;
}

TokenStream::TokenStream(Tensor ids) : ids_(std::move(ids)) {
  HEED_ASSERT(ids_.rank() == 1 && (ids_.dtype() == DType::u16 || ids_.dtype() == DType::i32));
}

TokenStream TokenStream::from_text(std::string_view text, const Tokenizer& tokenizer,
                                   LostText* lost) {
  const std::vector<std::string_view> parts = parts_of(text);
  std::vector<std::vector<int32_t>> ids(parts.size());
  std::vector<LostText> missing(parts.size());
  parallel_for(static_cast<int64_t>(parts.size()), [&](int64_t i, int) {
    const auto at = static_cast<size_t>(i);
    Encoding encoding = tokenizer.encode(parts[at], {.add_special = false});
    if (lost != nullptr) missing[at] = lost_text(parts[at], encoding, tokenizer);
    ids[at] = std::move(encoding.ids);
  });
  for (size_t i = 0; lost != nullptr && i < parts.size(); ++i) {
    lost->add(missing[i], static_cast<size_t>(parts[i].data() - text.data()));
  }
  size_t count = 0;
  for (const auto& part : ids) count += part.size();
  Tensor all = Tensor::empty({static_cast<int64_t>(count)}, DType::i32);
  int32_t* to = all.data<int32_t>();
  for (const auto& part : ids) to = std::ranges::copy(part, to).out;
  return TokenStream(std::move(all));
}

TokenStream TokenStream::read(const std::filesystem::path& path, const Tokenizer* tokenizer,
                              int64_t vocab) {
  TokenStream tokens;
  if (holds_ids(path)) {
    tokens = TokenStream(read_ids(path));
    tokens.check_vocabulary(vocab, path.string());
  } else if (tokenizer == nullptr) {
    throw Error(ErrorCode::invalid_argument, path.string() + ": text needs a tokenizer");
  } else {
    const std::string content = read_text(path);
    LostText lost;
    tokens = from_text(content, *tokenizer, &lost);
    warn_of(lost, path.string(), line_of(content, lost.at));
  }
  if (tokens.size() == 0) throw Error(ErrorCode::corrupt_data, path.string() + ": has no tokens");
  return tokens;
}

void TokenStream::copy(int64_t begin, int64_t count, int32_t* out) const {
  HEED_ASSERT(begin >= 0 && count >= 0 && begin + count <= size());
  with_ids(ids_, [&](auto ids) {
    const auto from = ids.subspan(static_cast<size_t>(begin), static_cast<size_t>(count));
    std::ranges::transform(from, out, [](auto id) { return static_cast<int32_t>(id); });
  });
}

TokenStream TokenStream::part(int64_t begin, int64_t end) const {
  return TokenStream(ids_.slice(0, begin, end));
}

void TokenStream::check_vocabulary(int64_t vocab, const std::string& where) const {
  with_ids(ids_, [&](auto ids) {
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto id = static_cast<int64_t>(ids[i]);
      if (id >= 0 && id < vocab) continue;
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: id {} at {} is outside the vocabulary of {}; the ids belong to "
                              "another tokenizer",
                              where, id, i, vocab));
    }
  });
}

TextSplit split_text(const TokenStream& tokens, double share, const std::string& where) {
  const auto cut = static_cast<int64_t>(static_cast<double>(tokens.size()) * share);
  if (cut < 1 || cut >= tokens.size()) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("{}: {:g} of {} for training leaves {} for training and {} for "
                    "validation; each needs some",
                    where, share, counted(tokens.size(), "token"), cut, tokens.size() - cut));
  }
  return {tokens.part(0, cut), tokens.part(cut, tokens.size())};
}

void check_windows(const TokenStream& tokens, int64_t block, const std::string& where) {
  if (tokens.size() > block) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: needed at least {} tokens for rows of {} and the one that follows, "
                          "found {}; shorten the block (--block N)",
                          where, block + 1, block, tokens.size()));
}

TextBatch random_windows(const TokenStream& tokens, int64_t rows, int64_t block, uint64_t seed,
                         int64_t number) {
  check_windows(tokens, block, "data");
  const int64_t places = tokens.size() - block;
  TextBatch batch = empty_batch(rows, block);
  const uint64_t of_batch = draw_seed(seed, DrawFor::windows, static_cast<uint64_t>(number));
  for (int64_t r = 0; r < rows; ++r) {
    const uint64_t bits = draw(of_batch, static_cast<uint64_t>(r));
    fill_row(batch, r, tokens, draw_below(places, bits), block);
  }
  return batch;
}

int64_t windows_in_order(const TokenStream& tokens, int64_t block) {
  return tokens.size() < 2 ? 0 : (tokens.size() - 1 + block - 1) / block;
}

TextBatch windows_in_order(const TokenStream& tokens, int64_t first, int64_t rows, int64_t block) {
  rows = std::min(rows, windows_in_order(tokens, block) - first);
  HEED_ASSERT(first >= 0 && rows >= 1);
  TextBatch batch = empty_batch(rows, block);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t begin = (first + r) * block;
    fill_row(batch, r, tokens, begin, std::min(block, tokens.size() - 1 - begin));
  }
  return batch;
}

}  // namespace heed
