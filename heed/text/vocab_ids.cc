#include "heed/text/vocab_ids.h"

#include <fmt/format.h>

#include <limits>

#include "heed/base/message.h"
#include "heed/text/json_fields.h"

namespace heed {
namespace {

constexpr size_t kMostPieces = std::numeric_limits<int32_t>::max();

[[noreturn]] void fail_id(const std::string& vocab, const std::string& piece, const Json& id,
                          const std::string& needed) {
  JsonField(id, fmt::format("{}: the id of {}", vocab, in_quotes(piece))).fail(needed);
}

}  // namespace

LargeObject VocabIds::members(std::vector<std::string> keys) {
  const auto take = [this](const std::string& piece, const Json& id) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > kMostPieces) {
      fail_id(path_, piece, id, "a whole number, from 0 on");
    }
    ids_.emplace_back(piece, id.get<int32_t>());
  };
  return {.path = std::move(keys), .take = take};
}

std::unique_ptr<const Vocabulary> VocabIds::vocabulary() {
  std::vector<std::string> pieces(ids_.size());
  std::vector<bool> taken(ids_.size());
  for (auto& [piece, id] : ids_) {
    const auto at = static_cast<size_t>(id);
    if (at >= pieces.size()) {
      fail_id(path_, piece, id,
              fmt::format("an id below {}, the number of pieces (ids must be without holes)",
                          pieces.size()));
    }
    if (taken[at]) {
      fail_id(path_, piece, id,
              fmt::format("an id of its own (ids must be unique); {} has it too",
                          in_quotes(pieces[at])));
    }
    taken[at] = true;
    pieces[at] = std::move(piece);
  }
  return std::make_unique<Vocabulary>(std::move(pieces), path_);
}

}  // namespace heed
