#include "heed/kernels/recurrent.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/every_isa.h"

namespace heed::kernels {
namespace {

// Gates are within 3 ulp, and no sum here has more than a few terms of size 1 to 3.
constexpr float kTolerance = 16 * 0x1p-24F;

using Floats = std::vector<float>;

void expect_near(const Floats& found, const Floats& law, int64_t units) {
  ASSERT_EQ(found.size(), law.size());
  for (size_t i = 0; i < law.size(); ++i) {
    ASSERT_NEAR(found[i], law[i], kTolerance * std::max(1.0F, std::abs(law[i])))
        << units << " " << i;
  }
}

struct Lstm {
  Floats z, c, dh, dc, gates, h_next, c_next, dz, dc_before;
  int64_t rows, units;

  Lstm(int64_t r, int64_t u) : rows(r), units(u) {
    const auto n = size_t(r * u);
    z = random_floats(4 * n, 1, 4.0F);
    c = random_floats(n, 2);
    dh = random_floats(n, 3);
    dc = random_floats(n, 4);
    gates.assign(4 * n, -7);
    dz.assign(4 * n, -7);
    for (Floats* x : {&h_next, &c_next, &dc_before}) x->assign(n, -7);
  }
  LstmRows forward() {
    return {z.data(), c.data(), gates.data(), h_next.data(), c_next.data(), rows, units};
  }
  LstmRowsBackward backward() {
    return {gates.data(), c.data(),         c_next.data(), dh.data(), dc.data(),
            dz.data(),    dc_before.data(), rows,          units};
  }
};

struct Gru {
  Floats x, s, h, dh_next, gates, h_next, dx, ds, dh;
  int64_t rows, units;

  Gru(int64_t r, int64_t u) : rows(r), units(u) {
    const auto n = size_t(r * u);
    x = random_floats(3 * n, 1, 3.0F);
    s = random_floats(3 * n, 2, 3.0F);
    h = random_floats(n, 3);
    dh_next = random_floats(n, 4);
    for (Floats* at : {&gates, &dx, &ds}) at->assign(3 * n, -7);
    for (Floats* at : {&h_next, &dh}) at->assign(n, -7);
  }
  GruRows forward() {
    return {x.data(), s.data(), h.data(), gates.data(), h_next.data(), rows, units};
  }
  GruRowsBackward backward() {
    return {s.data(),  h.data(),  gates.data(), dh_next.data(), dx.data(),
            ds.data(), dh.data(), rows,         units};
  }
};

TEST(Lstm, IsTheLaw) {
  on_every_isa([](Isa) {
    for (const int64_t units : {1, 3, 8, 15, 16, 17, 33}) {
      Lstm law(3, units), fast(3, units);
      ref::lstm(law.forward());
      ref::lstm_backward(law.backward());
      lstm(fast.forward());
      expect_near(fast.gates, law.gates, units);
      expect_near(fast.h_next, law.h_next, units);
      expect_near(fast.c_next, law.c_next, units);
      fast.gates = law.gates;
      fast.c_next = law.c_next;
      lstm_backward(fast.backward());
      expect_near(fast.dz, law.dz, units);
      expect_near(fast.dc_before, law.dc_before, units);
    }
  });
}

TEST(Gru, IsTheLaw) {
  on_every_isa([](Isa) {
    for (const int64_t units : {1, 3, 8, 15, 16, 17, 33}) {
      Gru law(3, units), fast(3, units);
      ref::gru(law.forward());
      ref::gru_backward(law.backward());
      gru(fast.forward());
      expect_near(fast.gates, law.gates, units);
      expect_near(fast.h_next, law.h_next, units);
      fast.gates = law.gates;
      gru_backward(fast.backward());
      expect_near(fast.dx, law.dx, units);
      expect_near(fast.ds, law.ds, units);
      expect_near(fast.dh, law.dh, units);
    }
  });
}

}  // namespace
}  // namespace heed::kernels
