// heed look: which options that choose what its summary shows go with what is shown in its place.

#include <fmt/format.h>

#include <algorithm>

#include "cli/look_session.h"
#include "heed/base/error.h"
#include "heed/base/message.h"

namespace heed::cli {
namespace {

using Given = bool (*)(const LookArguments&);

struct Choice {
  const char* option;
  Given given;
};
constexpr Choice kChoices[] = {
    {"--word", [](const LookArguments& a) { return !a.word.empty(); }},
    {"--layer", [](const LookArguments& a) { return !a.layer.empty(); }},
    {"--head", [](const LookArguments& a) { return !a.head.empty(); }},
    {"--sink", [](const LookArguments& a) { return a.sink; }},
    {"--pair", [](const LookArguments& a) { return a.pair; }},
    {"--pieces", [](const LookArguments& a) { return a.pieces; }},
    {"--truncate", [](const LookArguments& a) { return a.truncate; }},
};

struct Mode {
  const char* option;
  Given given;
  std::vector<std::string> takes;
};

/// But for --show, which takes all of them, some with some of what it shows.
const std::vector<Mode>& modes() {
  static const std::vector<Mode> all{
      {"--stats", [](const LookArguments& a) { return a.stats; }, {"--pair", "--truncate"}},
      {"--board",
       [](const LookArguments& a) { return !a.board.empty(); },
       {"--pair", "--truncate"}},
      {"--roles",
       [](const LookArguments& a) { return !a.roles.empty(); },
       {"--pieces", "--truncate"}},
      {"--compare",
       [](const LookArguments& a) { return a.compare; },
       {"--layer", "--head", "--pair", "--truncate"}},
      {"--lens",
       [](const LookArguments& a) { return a.lens; },
       {"--word", "--pieces", "--truncate"}},
  };
  return all;
}

}  // namespace

void check_choices(const LookArguments& arguments) {
  for (const Mode& mode : modes()) {
    if (!mode.given(arguments)) continue;
    for (const Choice& choice : kChoices) {
      if (!choice.given(arguments) ||
          std::ranges::find(mode.takes, choice.option) != mode.takes.end()) {
        continue;
      }
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("look: of the summary's choices {} needed none but {}, found {}",
                              mode.option, listed(mode.takes), choice.option));
    }
  }
}

}  // namespace heed::cli
