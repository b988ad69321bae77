#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

namespace heed::testing {

/// Root may read everything, so that no folder refuses it: while this lives, root is nobody. What
/// nobody needs must be open to all.
class Unprivileged {
 public:
  static constexpr uid_t kNobody = 65534;
  Unprivileged() : was_(geteuid()) {
    if (was_ == 0) {
      EXPECT_EQ(seteuid(kNobody), 0) << "cannot become nobody";
    }
  }
  ~Unprivileged() {
    if (was_ == 0) {
      EXPECT_EQ(seteuid(was_), 0);
    }
  }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;

 private:
  uid_t was_;
};

}  // namespace heed::testing
