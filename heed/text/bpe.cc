#include "heed/text/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <functional>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

/// What a pair of neighbours becomes, and how soon.
struct Merge {
  uint32_t rank;
  int32_t id;
};

/// Merges by their pair of ids: open addressing, at most half full.
class MergeTable {
 public:
  explicit MergeTable(size_t merges) : slots_(std::bit_ceil(2 * merges + 1)) {}

  void put(int32_t left, int32_t right, Merge merge) {  // a pair's last merge stays
    const uint64_t key = key_of(left, right);
    size_t at = slot_of(key);
    while (slots_[at].key != kFree && slots_[at].key != key) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {key, merge};
  }

  const Merge* find(int32_t left, int32_t right) const {
    const uint64_t key = key_of(left, right);
    for (size_t at = slot_of(key); slots_[at].key != kFree; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at].key == key) return &slots_[at].merge;
    }
    return nullptr;
  }

 private:
  static constexpr uint64_t kFree = ~uint64_t{0};  // no id is negative
  struct Slot {
    uint64_t key = kFree;
    Merge merge{};
  };
  static uint64_t key_of(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  size_t slot_of(uint64_t key) const {
    return (key * 0x9E3779B97F4A7C15 >> 32) & (slots_.size() - 1);
  }
  std::vector<Slot> slots_;
};

class Bpe final : public Model {
 public:
  Bpe(const Vocabulary& vocabulary, const BpeOptions& options, std::string_view where)
      : vocabulary_(vocabulary),
        merges_(options.merges.size()),
        prefix_(decode_utf8(options.continuing_prefix).chars),
        suffix_(decode_utf8(options.word_suffix).chars),
        fuse_unknown_(options.fuse_unknown),
        ignore_merges_(options.ignore_merges),
        whole_(std::make_unique<std::atomic<Whole>[]>(static_cast<size_t>(vocabulary.size()))) {
    read_merges(options, where);
    if (options.unknown) unknown_ = need(*options.unknown, "the unknown token", where);
    for (char32_t c = 0; c < common_.size(); ++c) common_[c] = look_up({&c, 1});
    unused_.resize(options.unused.empty() ? 0 : static_cast<size_t>(vocabulary.size()));
    for (const int32_t id : options.unused) unused_[static_cast<size_t>(id)] = true;
    cuts_ = may_cut();
    if (options.byte_fallback) bytes_ = byte_ids(vocabulary);
  }

  void tokenize(std::u32string_view word, ModelOutput& out) const override {
    if (!cuts_) return tokenize_part(word, 0, out);
    uint32_t begin = 0;
    for (uint32_t i = 1; i < word.size(); ++i) {
      if (word[i] != kWordStart || word[i - 1] == kWordStart) continue;
      tokenize_part(word.substr(begin, i - begin), begin, out);
      begin = i;
    }
    tokenize_part(word.substr(begin), begin, out);
  }

  std::string_view kind() const override { return "BPE"; }

 private:
  static constexpr char32_t kWordStart = 0x2581;

  /// The part of a word that begins at character `from` of it.
  void tokenize_part(std::u32string_view word, uint32_t from, ModelOutput& out) const {
    const int32_t id = word.size() <= vocabulary_.longest_chars() ? look_up(word) : -1;
    if (id >= 0 && !is_unused(id) && (ignore_merges_ || is_whole(id, word, out))) {
      out.tokens.push_back({id, from, from + static_cast<uint32_t>(word.size())});
      return;
    }
    merge(word, out);
    for (const MergeSymbol& symbol : out.symbols) {
      if (symbol.id >= 0) add_token(symbol.id, from + symbol.begin, from + symbol.end, out);
    }
  }

  bool is_unused(int32_t id) const { return !unused_.empty() && unused_[static_cast<size_t>(id)]; }

  void add_token(int32_t id, uint32_t begin, uint32_t end, ModelOutput& out) const {
    const auto parts = is_unused(id) ? out.apart.find(id) : out.apart.end();
    if (parts == out.apart.end()) {
      out.tokens.push_back({id, begin, end});
      return;
    }
    const auto [left, right] = parts->second;
    const auto size = decode_utf8(vocabulary_.piece(left)).chars.size();
    // as a character's bytes, both have all of what is not as long as their texts
    const bool fits = size > 0 && size < end - begin;
    const uint32_t middle = begin + static_cast<uint32_t>(size);
    add_token(left, begin, fits ? middle : end, out);
    add_token(right, fits ? middle : begin, end, out);
  }

  /// Whether no piece has the mark of a word's start after another character, and the mark itself
  /// is a piece: then nothing that merging does reaches over a word's start.
  bool may_cut() const {
    if (ignore_merges_ || !prefix_.empty() || !suffix_.empty()) return false;
    if (!unused_.empty()) return false;  // what one came of last, anywhere in the text, it becomes
    if (look_up({&kWordStart, 1}) < 0) return false;
    for (int32_t id = 0; id < vocabulary_.size(); ++id) {
      const std::u32string piece = decode_utf8(vocabulary_.piece(id)).chars;
      const size_t after = std::min(piece.find_first_not_of(kWordStart), piece.size());
      if (piece.find(kWordStart, after) != std::u32string::npos) return false;
    }
    return true;
  }

  /// Whether the merges make a piece of its own characters: most words of a text are such pieces
  /// and need no merging once this is known. Found out when first asked; every thread finds the
  /// same.
  enum class Whole : uint8_t { not_known, yes, no };

  bool is_whole(int32_t id, std::u32string_view word, ModelOutput& out) const {
    std::atomic<Whole>& known = whole_[static_cast<size_t>(id)];
    Whole state = known.load(std::memory_order_relaxed);
    if (state == Whole::not_known) {
      merge(word, out);
      state = !out.symbols.empty() && out.symbols[0].id == id && out.symbols[0].begin == 0 &&
                      out.symbols[0].end == word.size()
                  ? Whole::yes
                  : Whole::no;
      known.store(state, std::memory_order_relaxed);
    }
    return state == Whole::yes;
  }

  int32_t look_up(std::u32string_view piece, std::u32string_view prefix = {}) const {
    const auto hash = Vocabulary::hash_of(piece, Vocabulary::hash_of(prefix));
    return vocabulary_.find(hash, prefix, piece).value_or(-1);
  }

  int32_t need(const std::string& piece, const std::string& of, std::string_view where) const {
    if (const auto id = vocabulary_.find(piece)) return *id;
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{}: {} needs the piece {}, which the vocabulary of {} lacks", where,
                            of, in_quotes(piece), vocabulary_.size()));
  }

  void read_merges(const BpeOptions& options, std::string_view where) {
    for (size_t rank = 0; rank < options.merges.size(); ++rank) {
      const auto& [left, right] = options.merges[rank];
      const std::string name = fmt::format("merge {}", rank);
      const std::string& prefix = options.continuing_prefix;
      const size_t dropped = right.starts_with(prefix) ? prefix.size() : 0;
      const int32_t left_id = need(left, name, where);
      const int32_t right_id = need(right, name, where);
      merges_.put(left_id, right_id,
                  {static_cast<uint32_t>(rank), need(left + right.substr(dropped), name, where)});
    }
  }

  /// Of one character at [begin, begin + 1) of a word; -1 if no piece has it.
  int32_t char_id(std::u32string_view word, uint32_t begin) const {
    const char32_t c = word[begin];
    const bool plain =
        (begin == 0 || prefix_.empty()) && (begin + 1 < word.size() || suffix_.empty());
    if (plain && c < common_.size()) return common_[c];
    if (plain) return look_up({&c, 1});
    std::u32string piece(1, c);
    if (begin + 1 == word.size()) piece += suffix_;
    return look_up(piece, begin == 0 ? std::u32string_view() : prefix_);
  }

  static void add(std::vector<MergeSymbol>& symbols, int32_t id, uint32_t begin, uint32_t end) {
    const auto index = static_cast<int32_t>(symbols.size());
    if (index > 0) symbols.back().next = index;
    symbols.push_back({id, begin, end, index - 1, -1});
  }

  /// The pieces of a character's bytes; false if one of them is missing.
  bool add_bytes(char32_t c, uint32_t begin, std::vector<MergeSymbol>& symbols) const {
    if (bytes_.empty()) return false;
    std::string text;
    append_utf8(text, c);
    const auto id = [&](char byte) { return bytes_[static_cast<uint8_t>(byte)]; };
    if (std::any_of(text.begin(), text.end(), [&](char byte) { return id(byte) < 0; }))
      return false;
    for (const char byte : text) add(symbols, id(byte), begin, begin + 1);
    return true;
  }

  void start(std::u32string_view word, std::vector<MergeSymbol>& symbols) const {
    symbols.clear();
    bool unknown_before = false;
    for (uint32_t i = 0; i < word.size(); ++i) {
      const int32_t id = char_id(word, i);
      const bool unknown = id < 0 && !add_bytes(word[i], i, symbols);
      if (id >= 0) {
        add(symbols, id, i, i + 1);
      } else if (unknown && unknown_before && fuse_unknown_ && unknown_ >= 0) {
        symbols.back().end = i + 1;
      } else if (unknown && unknown_ >= 0) {
        add(symbols, unknown_, i, i + 1);
      }
      unknown_before = unknown;
    }
  }

  /// Leaves the word's tokens in out.symbols: those with an id >= 0, in order.
  void merge(std::u32string_view word, ModelOutput& out) const {
    std::vector<MergeSymbol>& symbols = out.symbols;
    std::vector<uint64_t>& queue = out.queue;  // rank and position: the least is the next to do
    start(word, symbols);
    queue.clear();
    out.apart.clear();
    const auto pair_at = [&](int32_t at) -> const Merge* {
      const MergeSymbol& left = symbols[static_cast<size_t>(at)];
      if (left.id < 0 || left.next < 0) return nullptr;
      return merges_.find(left.id, symbols[static_cast<size_t>(left.next)].id);
    };
    const auto offered = [&](int32_t at, const Merge& merge) {
      if (!is_unused(merge.id)) return;
      const MergeSymbol& left = symbols[static_cast<size_t>(at)];
      out.apart[merge.id] = {left.id, symbols[static_cast<size_t>(left.next)].id};
    };
    const auto key = [](const Merge& merge, int32_t at) {
      return uint64_t{merge.rank} << 32 | static_cast<uint32_t>(at);
    };
    for (int32_t at = 0; at + 1 < static_cast<int32_t>(symbols.size()); ++at) {
      const Merge* found = pair_at(at);
      if (found == nullptr) continue;
      queue.push_back(key(*found, at));
      offered(at, *found);
    }
    std::make_heap(queue.begin(), queue.end(), std::greater<>());
    const auto offer = [&](int32_t at) {
      const Merge* found = at < 0 ? nullptr : pair_at(at);
      if (found == nullptr) return;
      queue.push_back(key(*found, at));
      offered(at, *found);
      std::push_heap(queue.begin(), queue.end(), std::greater<>());
    };
    while (!queue.empty()) {
      std::pop_heap(queue.begin(), queue.end(), std::greater<>());
      const uint64_t top = queue.back();
      queue.pop_back();
      const auto at = static_cast<int32_t>(top & 0xFFFFFFFF);
      const Merge* found = pair_at(at);
      if (found == nullptr || key(*found, at) != top) continue;  // a neighbour has changed since
      join(symbols, at, found->id);
      offer(symbols[static_cast<size_t>(at)].previous);
      offer(at);
    }
  }

  static void join(std::vector<MergeSymbol>& symbols, int32_t at, int32_t id) {
    MergeSymbol& left = symbols[static_cast<size_t>(at)];
    MergeSymbol& right = symbols[static_cast<size_t>(left.next)];
    left.id = id;
    left.end = right.end;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = at;
  }

  const Vocabulary& vocabulary_;
  MergeTable merges_;
  std::u32string prefix_;
  std::u32string suffix_;
  bool fuse_unknown_;
  bool ignore_merges_;
  bool cuts_ = false;         // words at kWordStart
  std::vector<bool> unused_;  // by id; empty: none
  int32_t unknown_ = -1;
  std::array<int32_t, 0x180>
      common_{};                // ids of the first characters, all byte-level ones among them
  std::vector<int32_t> bytes_;  // of byte fallback; empty: none
  std::unique_ptr<std::atomic<Whole>[]> whole_;
};

}  // namespace

std::unique_ptr<const Model> bpe(const Vocabulary& vocabulary, const BpeOptions& options,
                                 std::string_view where) {
  return std::make_unique<Bpe>(vocabulary, options, where);
}

}  // namespace heed
