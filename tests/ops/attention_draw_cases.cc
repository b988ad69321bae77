#include <algorithm>
#include <limits>

#include "tests/ops/attention_cases.h"
#include "tests/ops/attention_layouts.h"

namespace heed::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Sizes {
  int64_t b, h, g, t, s, d, e;
};

int64_t draw_tokens(Dice& dice, int64_t most) {
  switch (dice.below(4)) {
    case 0:
      return std::min(most, dice.between(0, 4));
    case 1:
      return std::min(most, dice.between(5, 70));
    case 2:  // around the sizes of chunks and calls
      return std::min(most, 128 * dice.between(1, 2) + dice.between(-2, 2));
    default:
      return dice.between(0, most);
  }
}

Sizes draw_sizes(Dice& dice, const AttentionCaseLimits& limits) {
  Sizes n{};
  n.g = dice.any({1, 1, 2, 2, 3, 3, 5, 8});
  n.h = n.g * dice.any({1, 1, 1, 2, 2, 3, 4, 5, 8});
  n.b = dice.between(1, 3);
  n.t = std::min(limits.queries, draw_tokens(dice, limits.tokens));
  n.s = std::max(limits.least_keys, draw_tokens(dice, limits.tokens));
  n.d = dice.any<int64_t>({1, 3, 8, 16, 20, 31, 32, 64, 64, 80, 128, 256});
  if (limits.queries >= limits.tokens && dice.chance(0.2)) n.s = n.t = std::max(n.s, n.t);
  n.e = dice.chance(0.6) ? n.d : dice.any<int64_t>({1, 2, 8, 15, 24, 64, 130});
  while (n.b * n.h * n.t * n.s * (n.d + n.e) > limits.work) {
    if (n.b > 1) {
      --n.b;
    } else if (n.g > 1) {
      n.h = n.h / n.g * (n.g - 1);
      --n.g;
    } else if (n.d + n.e > 40) {
      n.d = (n.d + 1) / 2;
      n.e = (n.e + 1) / 2;
    } else {
      n.t /= 2;
    }
  }
  return n;
}

/// [b, heads, tokens, size]; one batch row, head or token may serve all.
Tensor draw_rows(Dice& dice, int64_t b, int64_t heads, int64_t tokens, int64_t size, DType dtype,
                 float spread, std::string* text) {
  const Shape shape{b, heads, tokens, size};
  if (dice.chance(0.8) || tokens == 0) return draw_values(dice, shape, dtype, spread);
  Shape once = shape;
  const int dim = dice.any({0, 0, 1, 2});
  once[dim] = 1;
  *text += " expanded " + std::to_string(dim);
  return draw_values(dice, once, dtype, spread).expand(shape);
}

/// A shape that broadcasts to [B, H, T, S].
Shape draw_mask_shape(Dice& dice, const Sizes& n) {
  const int64_t sizes[] = {n.b, n.h, n.t, n.s};
  const int64_t rank = dice.between(1, 4);
  Shape shape;
  for (int64_t i = 4 - rank; i < 4; ++i) shape.push_back(dice.chance(0.3) ? 1 : sizes[i]);
  return shape;
}

/// Sometimes the last two dimensions are exchanged in memory, sometimes it is a part of a larger
/// tensor, sometimes one dimension repeats.
Tensor draw_mask(Dice& dice, const Shape& shape, DType dtype, const auto& fill) {
  const int rank = shape.rank();
  const int dim = static_cast<int>(dice.below(rank));
  const int64_t way = dice.below(10);
  Shape in_memory = shape;
  if (way < 2 && rank >= 2) std::swap(in_memory[rank - 1], in_memory[rank - 2]);
  if (way == 2) in_memory[dim] += 3;
  if (way == 3) in_memory[dim] = 1;
  const Tensor mask = Tensor::empty(in_memory, dtype);
  fill(mask);
  if (way < 2 && rank >= 2) return mask.transpose(rank - 1, rank - 2);
  if (way == 2) return mask.slice(dim, 2, 2 + shape[dim]);
  return way == 3 ? mask.expand(shape) : mask;
}

std::vector<int64_t> draw_starts(Dice& dice, int64_t segments, int64_t end) {
  std::vector<int64_t> starts{0, end};
  for (int64_t i = 1; i < segments; ++i) starts.push_back(dice.between(0, end));
  std::sort(starts.begin(), starts.end());
  return starts;
}

void draw_ranges(Dice& dice, const Sizes& n, bool paged, bool need_lengths, AttentionCase& c) {
  if (dice.chance(0.5)) {
    c.corner = dice.any({Corner::top_left, Corner::bottom_right, Corner::given});
    if (c.corner == Corner::given) {
      for (int64_t b = 0; b < n.b; ++b) c.offsets.push_back(dice.between(-n.t - 2, n.s + 2));
    }
    c.text += std::string(" causal") + std::to_string(static_cast<int>(c.corner));
  }
  if (dice.chance(0.4)) {
    const auto side = [&] {
      return dice.any<int64_t>({Mask::kOpen, 0, 1, dice.between(0, 40), 128, 1000});
    };
    c.left = side();
    c.right = side();
    c.text += " window " + std::to_string(c.left) + "," + std::to_string(c.right);
  }
  if (n.b == 1 && !paged && !need_lengths && dice.chance(0.3)) {
    const int64_t segments = dice.between(1, 4);
    c.query_starts = draw_starts(dice, segments, n.t);
    c.key_starts = draw_starts(dice, segments, n.s);
    c.text += " segments";
  } else if (need_lengths || dice.chance(paged ? 0.8 : 0.3)) {
    for (int64_t b = 0; b < n.b; ++b) c.lengths.push_back(dice.between(0, n.s));
    c.text += " lengths";
  }
}

void draw_tensors(Dice& dice, const Sizes& n, AttentionCase& c) {
  while (dice.chance(0.3)) {
    const double visible = dice.any({0.8, 0.8, 0.8, 0.02});
    c.booleans.push_back(
        draw_mask(dice, draw_mask_shape(dice, n), DType::boolean, [&](const Tensor& mask) {
          for (bool& x : mask.span<bool>()) x = dice.chance(visible);
        }));
    c.text += " boolean" + to_string(c.booleans.back().shape());
  }
  while (dice.chance(0.3)) {
    const double hidden = dice.any({0.0, 0.0, 0.2, 0.2, 0.98});
    c.additives.push_back(
        draw_mask(dice, draw_mask_shape(dice, n), DType::f32, [&](const Tensor& mask) {
          for (float& x : mask.span<float>()) x = dice.chance(hidden) ? -kInfinity : dice.normal();
        }));
    c.text += " additive" + to_string(c.additives.back().shape());
  }
}

void draw_biases(Dice& dice, int64_t heads, AttentionCase& c) {
  AttentionOptions& options = c.options;
  if (dice.chance(0.3)) {
    options.scale = dice.any({0.3F, 0.0F, -0.7F, 1.0F});
    c.text += " scale " + std::to_string(*options.scale);
  }
  if (dice.chance(0.25)) {
    options.softcap = dice.any({1.0F, 20.0F});
    c.text += " softcap";
  }
  if (dice.chance(0.25)) {
    options.alibi = draw_values(dice, {heads}, DType::f32, 0.1F);
    c.text += " alibi";
  }
  if (dice.chance(0.25)) {
    const bool both = dice.chance(0.5);
    const int64_t buckets = dice.any<int64_t>({4, 8, 32});
    const int64_t exact = buckets / (both ? 4 : 2);
    options.relative = {draw_values(dice, {buckets, heads}, DType::f32, 1.0F), both,
                        exact + dice.any<int64_t>({1, 10, 128})};
    c.text += both ? " t5" : " t5-decoder";
  }
  if (dice.chance(0.25)) {
    options.sinks = draw_values(dice, {heads}, DType::f32, 3.0F);
    if (dice.chance(0.1)) options.sinks.at({dice.below(heads)}) = -kInfinity;
    c.text += " sinks";
  }
}

/// NaN in keys and values that no query of their heads sees, whatever hides them.
void poison_hidden(AttentionCase& c) {
  const int64_t heads = c.q.size(1) / std::max<int64_t>(c.k.size(1), 1);
  const Tensor k = c.k.to(DType::f32).clone(), v = c.v.to(DType::f32).clone();
  const auto seen = [&](int64_t b, int64_t g, int64_t s) {
    for (int64_t h = g * heads; h < (g + 1) * heads; ++h) {
      for (int64_t t = 0; t < c.q.size(2); ++t) {
        if (expected_pair(c, b, h, t, s).seen) return true;
      }
    }
    return false;
  };
  for (int64_t b = 0; b < k.size(0); ++b) {
    for (int64_t g = 0; g < k.size(1); ++g) {
      for (int64_t s = 0; s < k.size(2); ++s) {
        if (seen(b, g, s)) continue;
        for (const Tensor& rows : {k, v}) {
          float* const row = &rows.at({b, g, s, 0});
          std::fill_n(row, rows.size(3), std::numeric_limits<float>::quiet_NaN());
        }
      }
    }
  }
  c.text += " hidden NaN";
  c.k = k.to(c.k.dtype());
  c.v = v.to(c.v.dtype());
}

/// Where memory holds q, k and v: each by itself in any order of dimensions, or as parts of one
/// tensor, or two of them in one place.
void lay_out(Dice& dice, bool poisoned, AttentionCase& c) {
  const bool like = c.q.dtype() == c.k.dtype() && c.q.size(2) == c.k.size(2);
  if (like && c.q.size(3) == c.v.size(3) && dice.chance(0.4)) {
    return lay_side_by_side(dice, {&c.q, &c.k, &c.v}, &c.text);
  }
  if (c.k.size(3) == c.v.size(3) && dice.chance(0.2)) {
    if (dice.chance(0.5)) return lay_side_by_side(dice, {&c.k, &c.v}, &c.text);
    c.v = c.k;
    c.text += " k is v";
    if (like && c.q.size(1) == c.k.size(1) && !poisoned && dice.chance(0.5)) {
      c.q = c.k;
      c.text += " and q";
    }
    return;
  }
  for (Tensor* const rows : {&c.q, &c.k, &c.v}) {
    if (rows->is_contiguous() && dice.chance(0.6)) *rows = laid_out(dice, *rows, &c.text);
  }
}

}  // namespace

AttentionCase random_attention_case(uint64_t seed, const AttentionCaseLimits& limits) {
  Dice dice(seed);
  Sizes n = draw_sizes(dice, limits);
  int64_t page_tokens = 0;
  if (limits.pages && dice.chance(0.2)) {
    page_tokens = dice.any<int64_t>({1, 7, 16, 128, 256});
    n.s = (n.s + page_tokens - 1) / page_tokens * page_tokens;  // S is whole pages
  }
  const bool paged = page_tokens != 0;
  AttentionCase c;
  const auto draw_dtype = [&] {
    if (limits.bf16) return DType::bf16;
    if (!limits.halves) return DType::f32;
    return dice.any({DType::f32, DType::f32, DType::bf16, DType::f16});
  };
  const DType queries_as = draw_dtype();
  const DType keys_as = draw_dtype();
  const float spread = dice.any({1.0F, 1.0F, 0.1F, 4.0F});
  c.text = "case " + std::to_string(seed) + ": B" + std::to_string(n.b) + " H" +
           std::to_string(n.h) + "/" + std::to_string(n.g) + " T" + std::to_string(n.t) + " S" +
           std::to_string(n.s) + " D" + std::to_string(n.d) + " E" + std::to_string(n.e) + " q " +
           std::string(to_string(queries_as)) + " k " + std::string(to_string(keys_as));
  c.q = draw_rows(dice, n.b, n.h, n.t, n.d, queries_as, spread, &c.text);
  c.k = draw_rows(dice, n.b, n.g, n.s, n.d, keys_as, 1.0F, &c.text);
  c.v = draw_rows(dice, n.b, n.g, n.s, n.e, keys_as, 1.0F, &c.text);
  draw_ranges(dice, n, paged, limits.lengths, c);
  draw_tensors(dice, n, c);
  draw_biases(dice, n.h, c);
  if (limits.dropout && dice.chance(0.2)) {
    c.options.dropout = {dice.any({0.1F, 0.5F}), dice.word()};
    c.text += " dropout";
  }
  const int64_t shared = paged && dice.chance(0.4) ? dice.between(0, n.s / page_tokens) : 0;
  if (shared > 0) {
    c.k = with_prefix(c.k, shared * page_tokens);
    c.v = with_prefix(c.v, shared * page_tokens);
    if (dice.chance(0.5)) std::ranges::fill(c.lengths, c.lengths.empty() ? 0 : c.lengths[0]);
    c.text += " shared " + std::to_string(shared);
  }
  c.set_mask();
  const bool poison = limits.poison && shared == 0;
  const bool padding = poison && !c.lengths.empty() && dice.chance(0.5);
  if (padding) {
    c = c.poisoned();
    c.text += " poisoned";
  }
  const bool hidden = poison && dice.chance(0.2);
  if (hidden) poison_hidden(c);
  lay_out(dice, padding || hidden, c);
  if (paged) {
    c.pages = in_pages(dice, c.k, c.v, page_tokens, shared, c.lengths);
    c.text += " pages of " + std::to_string(page_tokens);
  }
  return c;
}

}  // namespace heed::testing
