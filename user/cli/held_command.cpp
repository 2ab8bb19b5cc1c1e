// SPDX-License-Identifier: Apache-2.0
#include "cli/held_command.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

namespace leakbpf {

namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

std::optional<Pipe> make_pipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0)
    return std::nullopt;
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

/// In the child, behind fork: nothing here may use what other threads could have held.
[[noreturn]] void become(char* const* arguments, const sigset_t& mask, int go, int failure) {
  char byte = 0;
  if (read(go, &byte, 1) != 1)
    _exit(127);
  signal(SIGPIPE, SIG_DFL);
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  execvp(arguments[0], arguments);
  const int error = errno;
  [[maybe_unused]] const ssize_t told = write(failure, &error, sizeof(error));
  _exit(127);
}

} // namespace

Result<HeldCommand> HeldCommand::start(const std::vector<std::string>& command,
                                       const sigset_t& signal_mask,
                                       const std::vector<std::string>& environment) {
  std::vector<std::string> words = command;
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  auto go = make_pipe();
  auto failure = make_pipe();
  if (!go || !failure)
    return Error{ExitCode::cannot_trace,
                 fmt::format("cannot make a pipe: {}", std::strerror(errno)), ""};
  for (const std::string& setting : environment) {
    const std::size_t equals = setting.find('=');
    setenv(setting.substr(0, equals).c_str(), setting.c_str() + equals + 1, 1);
  }
  const pid_t pid = fork();
  if (pid < 0)
    return Error{ExitCode::cannot_trace,
                 fmt::format("cannot start a process: {}", std::strerror(errno)), ""};
  if (pid == 0) {
    close(go->write.get()); // else it would hold its own pipe open
    become(arguments.data(), signal_mask, go->read.get(), failure->write.get());
  }
  return HeldCommand(pid, command.front(), std::move(go->write), std::move(failure->read));
}

HeldCommand::HeldCommand(HeldCommand&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), name_(std::move(other.name_)), go_(std::move(other.go_)),
      failure_(std::move(other.failure_)), released_(other.released_) {}

HeldCommand::~HeldCommand() {
  if (pid_ < 0 || released_)
    return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

Result<void> HeldCommand::release() {
  const char byte = 1;
  [[maybe_unused]] const ssize_t told = write(go_.get(), &byte, 1);
  int error = 0;
  // The pipe ends without a word when the command has taken the child's place.
  if (read(failure_.get(), &error, sizeof(error)) == sizeof(error)) {
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
    return Error{ExitCode::no_target, fmt::format("cannot run {}: {}", name_, std::strerror(error)),
                 ""};
  }
  released_ = true;
  return {};
}

std::optional<int> HeldCommand::ended() {
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_)
    return std::nullopt;
  pid_ = -1;
  return status;
}

std::string find_command(const std::string& name) {
  if (name.find('/') != std::string::npos)
    return name;
  const char* path = std::getenv("PATH");
  std::string rest = path ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    std::string candidate = rest.substr(0, end) + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0)
      return candidate;
    rest.erase(0, end + 1);
  }
  return "";
}

} // namespace leakbpf
