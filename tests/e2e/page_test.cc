// The .html page as a reader uses it, where the machine has what runs its script.

#include <gtest/gtest.h>

#include "tests/e2e/program.h"

namespace heed::testing {
namespace {

bool has(const std::string& program) { return run_shell("command -v " + program).status == 0; }

std::string explained_page(const std::filesystem::path& file) {
  const Result saved = run_heed({"explain", "heads", "--save", file, "--quiet"});
  EXPECT_EQ(saved.status, 0) << saved.err;
  return read_file(file);
}

TEST(Page, TheScriptIsWellFormed) {
  if (!has("node")) GTEST_SKIP() << "needs node";
  const TemporaryFolder folder;
  const std::string page = explained_page(folder / "page.html");
  const size_t begin = page.rfind("<script>") + 8;
  const std::string script = folder / "page.js";
  write_file(script, page.substr(begin, page.find("</script>", begin) - begin));
  const Result checked = run_shell("node --check " + script);
  EXPECT_EQ(checked.status, 0) << checked.err;
}

// Does what a reader does and leaves what the page then says, a line each, in the document.
constexpr const char* kReader = R"(<script>
const seen = [], see = what => seen.push(what + ": " + $("say").textContent);
const point = (r, c) => {
  const p = $("map").getBoundingClientRect();
  $("map").dispatchEvent(new MouseEvent("mousemove", {
    clientX: p.left + box.left + (c + 0.5) * box.side, clientY: p.top + box.above + (r + 0.5) * box.side }));
};
see("start");
point(1, 0); see("hover");
for (const key of ["ArrowDown", "ArrowRight", "End", "ArrowRight", "Home", "ArrowUp", "ArrowUp"]) {
  $("map").dispatchEvent(new KeyboardEvent("keydown", { key }));
  see(key);
}
document.querySelectorAll("#grid button")[1].click();
seen.push("chosen: " + $("name").textContent);
$("theme").click();
seen.push("theme: " + getComputedStyle(document.body).backgroundColor);
document.body.append(Object.assign(document.createElement("pre"), { textContent: "\n" + seen.join("\n") + "\n" }));
</script>)";

TEST(Page, HoverKeysMapsAndThemeWork) {
  if (!has("chromium")) GTEST_SKIP() << "needs chromium";
  const TemporaryFolder folder;
  const std::string file = folder / "page.html";
  write_file(file, explained_page(file) + kReader);
  const Result read = run_shell(
      "timeout 300 chromium --headless --no-sandbox --disable-gpu --virtual-time-budget=3000 "
      "--user-data-dir=" +
      (folder / "profile").string() + " --dump-dom file://" + file);
  if (read.status != 0) GTEST_SKIP() << "chromium does not run here: " << read.err;
  for (const char* line : {"start: Point at a square to read its value.", "hover: dog → the: 0.978",
                           "ArrowDown: chased → the: 0.022", "ArrowRight: chased → dog: 0.957",
                           "Home: chased → the: 0.022", "ArrowUp: the → the: 1.000",
                           "chosen: head 2: after", "theme: rgb(18, 17, 24)"}) {
    EXPECT_NE(read.out.find(std::string("\n") + line + "\n"), std::string::npos)
        << line << "\nis not in\n"
        << read.out.substr(read.out.rfind("<pre>"));
  }
}

}  // namespace
}  // namespace heed::testing
