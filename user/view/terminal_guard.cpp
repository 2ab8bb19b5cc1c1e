// SPDX-License-Identifier: Apache-2.0
#include "view/terminal_guard.h"

#include "view/terminal_reset.h"

#include <array>
#include <csignal>
#include <initializer_list>
#include <utility>

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace leakbpf {

namespace {

constexpr const char* guard_name = "tty-guard"; // what kills leakbpf by name leaves it
constexpr char armed_word = 'a';
constexpr char dismissed_word = '.';

/// What the guard needs, made before the fork: behind it nothing may take memory.
struct Before {
  termios modes{};
  std::string reset;
};

/// From the process group that a shell has put into the background, too.
void ignore_signals() {
  struct sigaction ignored {};
  ignored.sa_handler = SIG_IGN;
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGTTOU, SIGTTIN, SIGPIPE})
    sigaction(number, &ignored, nullptr);
}

void close_others(int kept) {
  constexpr unsigned first = STDERR_FILENO + 1;
  const auto fd = static_cast<unsigned>(kept);
  if (fd > first)
    syscall(SYS_close_range, first, fd - 1, 0);
  syscall(SYS_close_range, fd + 1, ~0U, 0);
}

/// True: it is to put the terminal back.
bool await_end(int pipe) {
  bool armed = false;
  char word = 0;
  ssize_t got = 0;
  while ((got = read(pipe, &word, 1)) != 0) {
    if (got < 0)
      continue;
    if (word == dismissed_word)
      return false;
    armed = true;
  }
  return armed;
}

[[noreturn]] void guard(int pipe, const Before& before) {
  ignore_signals();
  close_others(pipe);
  prctl(PR_SET_NAME, guard_name);
  if (await_end(pipe)) {
    tcsetattr(STDIN_FILENO, TCSANOW, &before.modes);
    [[maybe_unused]] const ssize_t wrote =
        write(STDOUT_FILENO, before.reset.data(), before.reset.size());
  }
  _exit(0);
}

} // namespace

std::unique_ptr<TerminalGuard> TerminalGuard::start() {
  Before before;
  std::array<int, 2> ends{};
  if (tcgetattr(STDIN_FILENO, &before.modes) != 0 || pipe2(ends.data(), O_CLOEXEC) != 0)
    return nullptr;
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  before.reset = terminal_reset();
  const pid_t pid = fork();
  if (pid == 0) {
    close(writer.get());
    guard(reader.get(), before);
  }
  if (pid < 0)
    return nullptr;
  return std::unique_ptr<TerminalGuard>(new TerminalGuard(pid, std::move(writer)));
}

TerminalGuard::~TerminalGuard() {
  alive_ = UniqueFd();
}

void TerminalGuard::arm() {
  [[maybe_unused]] const ssize_t wrote = write(alive_.get(), &armed_word, 1);
}

void TerminalGuard::dismiss() {
  if (write(alive_.get(), &dismissed_word, 1) == 1)
    waitpid(pid_, nullptr, 0); // else a terminal that takes nothing would hold us, too
}

} // namespace leakbpf
