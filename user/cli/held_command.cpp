// SPDX-License-Identifier: Apache-2.0
#include "cli/held_command.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
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
[[noreturn]] void become(char* const* arguments, const StartSignals& signals, Orphan orphan, int go,
                         int failure) {
  if (orphan == Orphan::ends)
    prctl(PR_SET_PDEATHSIG, SIGKILL);
  char byte = 0;
  if (read(go, &byte, 1) != 1)
    _exit(127);
  signals.restore();
  execvp(arguments[0], arguments);
  const int error = errno;
  [[maybe_unused]] const ssize_t told = write(failure, &error, sizeof(error));
  _exit(127);
}

} // namespace

Result<HeldCommand> HeldCommand::start(const std::vector<std::string>& command,
                                       const StartSignals& signals,
                                       const std::vector<std::string>& environment, Orphan orphan) {
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
    become(arguments.data(), signals, orphan, go->read.get(), failure->write.get());
  }
  return HeldCommand(pid, command.front(), std::move(go->write), std::move(failure->read));
}

HeldCommand::HeldCommand(HeldCommand&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), name_(std::move(other.name_)), go_(std::move(other.go_)),
      failure_(std::move(other.failure_)), released_(other.released_) {}

HeldCommand::~HeldCommand() {
  if (pid_ < 0 || released_)
    return;
  end_child(pid_);
}

void end_child(pid_t pid) {
  constexpr int most_tries = 500;
  kill(pid, SIGKILL);
  // One that waits for a disk or a network goes when that answers, and is then collected by init.
  for (int i = 0; i < most_tries && waitpid(pid, nullptr, WNOHANG) == 0; i++)
    usleep(2000);
}

Result<void> HeldCommand::release(int interrupt_fd) {
  const char byte = 1;
  ssize_t told = 0;
  while ((told = write(go_.get(), &byte, 1)) < 0 && errno == EINTR) {
  }
  if (told != 1) // nothing would ever come of waiting
    return Error{ExitCode::cannot_trace,
                 fmt::format("cannot start {}: {}", name_, std::strerror(errno)), ""};
  std::array<pollfd, 2> fds{pollfd{failure_.get(), POLLIN, 0}, pollfd{interrupt_fd, POLLIN, 0}};
  while (poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) {
  }
  if (fds[0].revents == 0)
    return Error{ExitCode::no_target, fmt::format("interrupted before {} ran", name_), ""};
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

bool HeldCommand::has_ended() const {
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid_;
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
