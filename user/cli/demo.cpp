// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/held_command.h"

#include <array>
#include <climits>

#include <fmt/format.h>
#include <unistd.h>

namespace leakbpf {

namespace {

constexpr double demo_seconds = 10;

/// A child that is killed and collected when its owner goes.
class Child {
public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { end_child(pid_); }
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

Result<pid_t> start(const std::string& program, const Interrupts& interrupts) {
  auto command = HeldCommand::start({program}, interrupts.start(), {}, Orphan::ends);
  if (!command)
    return command.error();
  if (auto released = command->release(interrupts.fd()); !released)
    return Error{ExitCode::io, released.error().message, "build it: tools/leakbpf demo"};
  return command->pid();
}

} // namespace

Result<ExitCode> run_demo(const Options& options, Interrupts& interrupts, const Console& console) {
  const std::string program = demo_program();
  auto pid = start(program, interrupts);
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
