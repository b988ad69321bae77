#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <string>
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

  pid_t id() const { return id_; }

  Result wait() {
    int status = 0;
    waitpid(id_, &status, 0);
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
};

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
