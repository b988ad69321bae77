#include "heed/lens/diverge.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "heed/base/error.h"

namespace heed {
namespace {

[[noreturn]] void refuse(const std::string& text) {
  throw Error(ErrorCode::invalid_argument, "look: " + text);
}

void check(const Look& a, const Look& b) {
  if (a.tokens() != b.tokens() || a.keys() != b.keys()) {
    const auto sizes = [](const Look& look) {
      return look.source ? fmt::format("{} looking at {}", look.tokens(), look.keys())
                         : fmt::format("{}", look.tokens());
    };
    refuse(
        fmt::format("to compare them, two {} of as many tokens are needed, found {} and {}; "
                    "heed tokens shows them",
                    a.source ? "pairs" : "texts", sizes(a), sizes(b)));
  }
  if (a.layers() != b.layers() || a.heads() != b.heads()) {
    refuse(
        fmt::format("to compare them, two models of as many layers and heads are needed, found "
                    "{} x {} and {} x {}",
                    a.layers(), a.heads(), b.layers(), b.heads()));
  }
  HEED_ASSERT(std::ssize(a.runs) == a.layers() && a.runs.size() == b.runs.size());
}

/// A layer's rows go to rows[layer].
void add_layer(Divergence& out, const AttentionRun& a, const AttentionRun& b, int64_t layer,
               int64_t map, const Progress& progress) {
  AttentionDivergence one = attention_divergence(a, b, map, progress);
  const Tensor rows = one.jensen_shannon.contiguous();
  std::ranges::copy(rows.span<const float>(), out.rows.select(0, layer).data<float>());
  if (map > 0) out.difference.push_back(std::move(one.difference));
}

/// One head of a layer's run, with its share of what the options say of each head.
AttentionRun head_of(const Look& look, HeadPlace at) {
  if (at.layer < 0 || at.layer >= look.layers() || at.head < 0 || at.head >= look.heads()) {
    refuse(fmt::format("needed a head of {} layers x {} heads, counted from 0, found L{} H{}",
                       look.layers(), look.heads(), at.layer, at.head));
  }
  HEED_ASSERT(std::ssize(look.runs) == look.layers());
  AttentionRun run = look.runs[static_cast<size_t>(at.layer)];
  const int64_t group = at.head / (run.q.size(1) / run.k.size(1));
  const auto only = [](const Tensor& all, int dim, int64_t index) {
    return all.defined() ? all.slice(dim, index, index + 1).contiguous() : all;
  };
  run.q = only(run.q, 1, at.head);
  run.k = only(run.k, 1, group);
  run.lse = only(run.lse, 1, at.head);
  run.options.alibi = only(run.options.alibi, 0, at.head);
  run.options.sinks = only(run.options.sinks, 0, at.head);
  if (run.options.relative) {
    run.options.relative->table = only(run.options.relative->table, 1, at.head);
  }
  return run;
}

}  // namespace

Divergence diverging(const Look& a, const Look& b, int64_t map, const Progress& progress) {
  check(a, b);
  Divergence out{.rows = Tensor::empty({a.layers(), a.heads(), a.tokens()}), .difference = {}};
  for (int64_t layer = 0; layer < a.layers(); ++layer) {
    const auto at = static_cast<size_t>(layer);
    const auto of_all = [&](int64_t done, int64_t blocks) {
      progress(layer * blocks + done, a.layers() * blocks);
    };
    add_layer(out, a.runs[at], b.runs[at], layer, map, progress ? Progress(of_all) : Progress());
  }
  return out;
}

std::optional<HeadPlace> parse_head_place(std::string_view text) {
  HeadPlace place;
  const char* const end = text.data() + text.size();
  const auto layer = std::from_chars(text.data(), end, place.layer);
  if (layer.ec != std::errc() || layer.ptr == end || *layer.ptr != '.') return std::nullopt;
  const auto head = std::from_chars(layer.ptr + 1, end, place.head);
  const bool whole = head.ec == std::errc() && head.ptr == end;
  return whole && place.layer >= 0 && place.head >= 0 ? std::optional(place) : std::nullopt;
}

Divergence diverging(const Look& look, HeadPlace a, HeadPlace b, int64_t map,
                     const Progress& progress) {
  Divergence out{.rows = Tensor::empty({1, 1, look.tokens()}), .difference = {}};
  add_layer(out, head_of(look, a), head_of(look, b), 0, map, progress);
  return out;
}

}  // namespace heed
