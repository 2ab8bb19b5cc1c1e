// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ; // NOLINT: POSIX has no other way to it

namespace leakbpf {

namespace {

constexpr double demo_seconds = 10;

/// A child that is killed and collected when its owner goes.
class Child {
public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

private:
  pid_t pid_;
};

/// leakbpf-demo lies beside leakbpf.
std::string demo_program() {
  std::array<char, PATH_MAX> path{};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size() - 1);
  std::string text(path.data(), length < 0 ? 0 : static_cast<std::size_t>(length));
  return text.substr(0, text.rfind('/') + 1) + "leakbpf-demo";
}

/// Starts the program with the signals that leakbpf itself keeps blocked.
Result<pid_t> spawn(const std::string& program, const sigset_t& signal_mask) {
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &signal_mask);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  std::string name = program;
  std::array<char*, 2> arguments{name.data(), nullptr};
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, program.c_str(), nullptr, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  if (error)
    return Error{ExitCode::io, fmt::format("cannot start {}: {}", program, std::strerror(error)),
                 "build it: tools/leakbpf demo"};
  return pid;
}

} // namespace

Result<ExitCode> run_demo(const Options& options, const Interrupts& interrupts,
                          const Console& console) {
  const std::string program = demo_program();
  auto pid = spawn(program, interrupts.original_mask());
  if (!pid)
    return pid.error();
  const Child child(*pid);
  console.inform(fmt::format("{} (PID {}) serves requests and leaks in one of its functions",
                             program, child.pid()));
  Options traced = options;
  traced.pids = {child.pid()};
  traced.duration_seconds = options.duration_seconds.value_or(demo_seconds);
  return run_top(traced, interrupts, console);
}

} // namespace leakbpf
