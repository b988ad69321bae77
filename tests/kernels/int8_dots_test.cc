#include "heed/kernels/int8_dots.h"

#include "tests/kernels/every_isa.h"

namespace heed::kernels {
namespace {

/// Codes and queries over all they may be, the ends often.
template <class T>
std::vector<T> random_integers(int64_t count, int most, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<T> values(static_cast<size_t>(count));
  for (T& value : values) {
    const auto draw = static_cast<int>(random() % static_cast<uint32_t>(2 * most + 1));
    value = static_cast<T>(random() % 4 == 0 ? (draw > most ? most : -most) : draw - most);
  }
  return values;
}

TEST(Int8Dots, EveryIsaGivesTheReferencesBits) {
  on_every_isa([](Isa) {
    for (const int64_t width : {64, 128, 384, 1024, 4160}) {  // the last ones wrap around
      for (const int64_t count : {0, 1, 3, 4, 5, 9}) {
        const auto codes = random_integers<int8_t>(count * width, 127, 1);
        const auto query = random_integers<int16_t>(width, 32767, 2);
        std::vector<int32_t> expected(static_cast<size_t>(count) + 1, -7), found = expected;
        ref::int8_dots(codes.data(), count, width, query.data(), expected.data());
        int8_dots(codes.data(), count, width, query.data(), found.data());
        ASSERT_EQ(expected, found) << count << " x " << width;
      }
    }
  });
}

TEST(Int8Dots, ByHand) {
  std::vector<int8_t> codes(128, 0);
  std::vector<int16_t> query(64, 0);
  codes[0] = -127, codes[63] = 2, codes[64] = 5;
  query[0] = 32767, query[63] = -3;
  on_every_isa([&](Isa) {
    int32_t dots[2] = {};
    int8_dots(codes.data(), 2, 64, query.data(), dots);
    EXPECT_EQ(dots[0], -127 * 32767 - 6);
    EXPECT_EQ(dots[1], 5 * 32767);
  });
}

}  // namespace
}  // namespace heed::kernels
