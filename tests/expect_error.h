#pragma once

#include <gtest/gtest.h>

#include <string>

#include "heed/base/error.h"

namespace heed {

/// Runs body, which must throw an Error with this code whose message is one line and contains every
/// one of `parts`.
template <class Body>
void expect_error(ErrorCode code, std::initializer_list<std::string_view> parts, Body&& body) {
  try {
    body();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(to_string(error.code()), to_string(code)) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    for (const std::string_view part : parts) {
      EXPECT_NE(message.find(part), std::string::npos) << "no \"" << part << "\" in: " << message;
    }
  }
}

}  // namespace heed
