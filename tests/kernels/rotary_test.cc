#include "heed/kernels/rotary.h"

#include <cmath>

#include "tests/kernels/every_isa.h"

namespace heed::kernels {
namespace {

/// Stored numbers and how to read them.
struct Numbers {
  Element element;
  std::vector<std::byte> bytes;

  Numbers(Element e, const std::vector<float>& values)
      : element(e), bytes(values.size() * static_cast<size_t>(size_of(e))) {
    for (size_t i = 0; i < values.size(); ++i) store_element(element, values[i], at(i));
  }
  std::byte* at(size_t i) { return bytes.data() + i * static_cast<size_t>(size_of(element)); }
  double operator[](size_t i) { return static_cast<double>(load_element(element, at(i))); }
};

void expect_law(Element element, int64_t pairs, int64_t rest, bool interleaved) {
  constexpr int64_t kHeads = 3;
  const int64_t size = 2 * pairs + rest;
  const int64_t stride = size + 5;
  const auto count = static_cast<size_t>(kHeads * stride);
  Numbers x(element, random_floats(count, 1, 3.0F));
  const std::vector<float> cosines = random_floats(static_cast<size_t>(pairs), 2);
  const std::vector<float> sines = random_floats(static_cast<size_t>(pairs), 3);
  RotaryToken token{.x = x.at(0),
                    .x_head = stride,
                    .y_head = stride,
                    .element = element,
                    .heads = kHeads,
                    .size = size,
                    .pairs = pairs,
                    .cosines = cosines.data(),
                    .sines = sines.data(),
                    .interleaved = interleaved};
  Numbers law(element, std::vector<float>(count, -7.0F));
  token.y = law.at(0);
  ref::rotary(token);
  on_every_isa([&](Isa) {
    Numbers fast(element, std::vector<float>(count, -7.0F));
    token.y = fast.at(0);
    rotary(token);
    for (size_t i = 0; i < count; ++i) {
      // |a cos| + |b sin| <= 6; then both may have been rounded, to neighbours
      const double storage = element == Element::f32    ? 0
                             : element == Element::bf16 ? std::ldexp(std::abs(law[i]), -7)
                                                        : std::ldexp(std::abs(law[i]), -10);
      EXPECT_NEAR(fast[i], law[i], 12 * 0x1p-24 + storage) << pairs << "+" << rest << " at " << i;
    }
    Numbers own = x;
    RotaryToken in_place = token;
    in_place.x = in_place.y = own.at(0);
    rotary(in_place);
    for (int64_t h = 0; h < kHeads; ++h) {
      for (int64_t i = 0; i < size; ++i) {
        const auto at = static_cast<size_t>(h * stride + i);
        EXPECT_EQ(own[at], fast[at]) << "in place, " << pairs << "+" << rest << " at " << at;
      }
    }
  });
}

TEST(RotaryLaw, TheInverseTurnsByTheNegativeAngles) {
  constexpr int64_t kPairs = 21;
  const std::vector<float> x = random_floats(2 * kPairs, 1);
  const std::vector<float> cosines = random_floats(kPairs, 2);
  const std::vector<float> sines = random_floats(kPairs, 3);
  std::vector<float> negative = sines;
  for (float& sine : negative) sine = -sine;
  on_every_isa([&](Isa) {
    for (const bool interleaved : {false, true}) {
      std::vector<float> back(x.size()), expected(x.size());
      RotaryToken token{.x = reinterpret_cast<const std::byte*>(x.data()),
                        .y = reinterpret_cast<std::byte*>(back.data()),
                        .heads = 1,
                        .size = 2 * kPairs,
                        .pairs = kPairs,
                        .cosines = cosines.data(),
                        .sines = sines.data(),
                        .interleaved = interleaved,
                        .inverse = true};
      rotary(token);
      token.y = reinterpret_cast<std::byte*>(expected.data());
      token.sines = negative.data();
      token.inverse = false;
      rotary(token);
      EXPECT_EQ(back, expected);
    }
  });
}

TEST(RotaryLaw, EverySizeLayoutAndElement) {
  for (const Element element : {Element::f32, Element::bf16, Element::f16}) {
    for (const int64_t pairs : {0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 32, 33, 64}) {
      for (const int64_t rest : {0, 1, 6}) {
        for (const bool interleaved : {false, true}) expect_law(element, pairs, rest, interleaved);
      }
    }
  }
}

}  // namespace
}  // namespace heed::kernels
