// SPDX-License-Identifier: Apache-2.0
#include "kernel/seccomp_check.h"

#include "kernel/selftest.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace leakbpf {

namespace {

constexpr std::uint64_t calls = 16;
constexpr unsigned most_seconds = 10;

/// What is done with a call that the filter does not know.
enum class Unknown { refused, kills, strict };

enum ChildStatus : int { right = 0, wrong_result = 1, no_filter = 2 };

/// Knows as little as a filter can: what this child itself needs.
bool put_on_filter(std::uint32_t otherwise) {
  constexpr auto call_number =
      static_cast<std::uint32_t>(offsetof(seccomp_data, nr)); // NOLINT: a kernel structure
  constexpr auto architecture = static_cast<std::uint32_t>(offsetof(seccomp_data, arch)); // NOLINT
  std::array<sock_filter, 8> program{
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, architecture),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, call_number),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, otherwise),
  };
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

bool put_on(Unknown unknown) {
  switch (unknown) {
  case Unknown::refused:
    return put_on_filter(SECCOMP_RET_ERRNO | EPERM);
  case Unknown::kills:
    return put_on_filter(SECCOMP_RET_KILL_PROCESS);
  case Unknown::strict:
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0;
  }
  return false;
}

/// In the child, behind fork: nothing here may use what other threads could have held, and from the
/// filter on there are few system calls.
[[noreturn]] void be_tried(Unknown unknown, int go) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_DUMPABLE, 0); // its end is an answer, not a crash to be kept
  for (const int number : {SIGSEGV, SIGILL, SIGTRAP, SIGSYS, SIGALRM})
    signal(number, SIG_DFL);
  alarm(most_seconds);
  char byte = 0;
  if (read(go, &byte, 1) != 1 || !put_on(unknown))
    syscall(SYS_exit, no_filter);
  int status = right;
  for (std::uint64_t i = 0; i < calls; i++)
    if (call_selftest_function(i) != i + 1)
      status = wrong_result;
  syscall(SYS_exit, status);
  __builtin_unreachable();
}

std::string describe_end(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("killed by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  switch (WEXITSTATUS(status)) {
  case right:
    return "";
  case wrong_result:
    return "a function returned a wrong value";
  default:
    return "a filter could not be put on to try it";
  }
}

/// What happened to a child of this kind; empty: nothing.
std::string try_one(Backend backend, Unknown unknown) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0)
    return std::strerror(errno);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t child = fork();
  if (child < 0)
    return std::strerror(errno);
  if (child == 0) {
    close(write_end.get()); // else it would wait for its own byte
    be_tried(unknown, read_end.get());
  }
  const auto probe = SelftestProbe::attach(backend, child);
  const char byte = 1;
  if (probe)
    (void)!write(write_end.get(), &byte, 1);
  write_end = UniqueFd();
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!probe)
    return probe.error().message;
  std::string end = describe_end(status);
  if (end.empty() && probe->hits() != 2 * calls)
    return fmt::format("{} of {} hits were seen", probe->hits(), 2 * calls);
  return end;
}

} // namespace

SeccompCheck check_seccomp(Backend backend) {
  for (const Unknown unknown : {Unknown::refused, Unknown::kills, Unknown::strict})
    if (std::string reason = try_one(backend, unknown); !reason.empty())
      return {false, std::move(reason)};
  return {true, ""};
}

} // namespace leakbpf
