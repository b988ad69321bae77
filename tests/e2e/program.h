#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "heed/base/file.h"
#include "tests/support.h"

// Runs the built program as a user does.

namespace heed::testing {

struct Result {
  int status = 0;  // exit status, or 128 + the signal that ended it
  std::string out;
  std::string err;
};

struct Invocation {
  std::string input;                               // standard input
  std::map<std::string, std::string> environment;  // over the inherited one; "" removes a variable
  std::string output_file;                         // stdout goes there ("/dev/full"), not to Result
};

/// A started program with its streams in files.
class Process {
 public:
  Process(const std::vector<std::string>& command, const Invocation& how)
      : keeps_output_(how.output_file.empty()) {
    write_file(folder_ / "in", how.input);
    const std::string out = keeps_output_ ? (folder_ / "out").string() : how.output_file;
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, (folder_ / "in").c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, out.c_str(), O_WRONLY | O_CREAT, 0600);
    posix_spawn_file_actions_addopen(&files, 2, (folder_ / "err").c_str(), O_WRONLY | O_CREAT,
                                     0600);
    std::vector<char*> arguments;
    for (const std::string& part : command) arguments.push_back(const_cast<char*>(part.c_str()));
    arguments.push_back(nullptr);
    const std::vector<std::string> variables = merged_environment(how.environment);
    std::vector<char*> environment;
    for (const std::string& one : variables) environment.push_back(const_cast<char*>(one.c_str()));
    environment.push_back(nullptr);
    const int failed =
        posix_spawn(&id_, arguments[0], &files, nullptr, arguments.data(), environment.data());
    posix_spawn_file_actions_destroy(&files);
    if (failed != 0) throw Error(ErrorCode::io_failure, "cannot start " + command.front());
  }

  ~Process() {
    if (ended_) return;
    kill(id_, SIGKILL);  // of a test that failed
    waitpid(id_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t id() const { return id_; }

  /// Whether heed itself, not a shell that is about to become it, handles the signal.
  bool handles(int signal) const {
    const std::filesystem::path place = "/proc/" + std::to_string(id_);
    std::error_code not_yet;
    if (!std::filesystem::equivalent(place / "exe", HEED_PROGRAM, not_yet)) return false;
    std::ifstream status(place / "status");
    for (std::string word; status >> word;) {
      uint64_t caught = 0;
      if (word == "SigCgt:" && status >> std::hex >> caught)
        return (caught >> (signal - 1)) % 2 == 1;
    }
    return false;
  }

  Result wait() {
    int status = 0;
    waitpid(id_, &status, 0);
    ended_ = true;
    Result result;
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (keeps_output_) result.out = read_file(folder_ / "out");
    result.err = read_file(folder_ / "err");
    return result;
  }

 private:
  static std::vector<std::string> merged_environment(
      const std::map<std::string, std::string>& changes) {
    std::vector<std::string> merged;
    for (char** one = environ; *one != nullptr; ++one) {
      const std::string variable = *one;
      if (changes.count(variable.substr(0, variable.find('='))) == 0) merged.push_back(variable);
    }
    for (const auto& [name, value] : changes) {
      if (!value.empty()) merged.push_back(name + "=" + value);
    }
    return merged;
  }

  TemporaryFolder folder_;
  bool keeps_output_;
  pid_t id_ = 0;
  bool ended_ = false;
};

/// Waits for what another process does, two minutes at most; whether it did.
template <class F>
bool wait_until(const F& done) {
  for (int i = 0; i < 24'000 && !done(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return done();
}

/// heed ARGUMENTS.
inline Result run_heed(const std::vector<std::string>& arguments, const Invocation& how = {}) {
  std::vector<std::string> command = {HEED_PROGRAM};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return Process(command, how).wait();
}

/// A line of shell in which $HEED is the program; for pipes.
inline Result run_shell(const std::string& line, Invocation how = {}) {
  how.environment["HEED"] = HEED_PROGRAM;
  return Process({"/bin/bash", "-c", line}, how).wait();
}

}  // namespace heed::testing
