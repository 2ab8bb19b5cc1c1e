// SPDX-License-Identifier: Apache-2.0
#include "kernel/features.h"

#include "base/descriptor_limit.h"
#include "kernel/selftest.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <limits>
#include <system_error>
#include <thread>

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace leakbpf {

namespace {

constexpr const char* kernel_btf = "/sys/kernel/btf/vmlinux";
constexpr std::uint64_t selftest_calls = 500;
constexpr std::uint64_t selftest_rounds = 4;
constexpr ino_t initial_pid_namespace = 0xEFFFFFFC; // PROC_PID_INIT_INO, linux/proc_ns.h
// Numbers newer than some distributions' linux/capability.h.
constexpr int cap_perfmon = 38;
constexpr int cap_bpf = 39;

/// Asked of the kernel itself, since a /proc that cannot be read would look like no rights at all.
bool has_capability(int number) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (syscall(SYS_capget, &header, sets.data()) != 0)
    return false;
  constexpr int bits = 32;
  return (sets.at(static_cast<std::size_t>(number / bits)).effective >> (number % bits) & 1U) != 0;
}

std::string lockdown_mode() {
  std::ifstream file("/sys/kernel/security/lockdown");
  std::string line;
  std::getline(file, line);
  const std::size_t open = line.find('[');
  const std::size_t close = line.find(']');
  if (open == std::string::npos || close == std::string::npos)
    return "none";
  return line.substr(open + 1, close - open - 1);
}

bool in_initial_pid_namespace() {
  struct stat info {};
  return stat("/proc/self/ns/pid", &info) != 0 || info.st_ino == initial_pid_namespace;
}

/// Calls the probed function from a new thread, because some kernels filter by thread where they
/// should filter by process. Returns nanoseconds per call; nothing when no thread can be started.
std::optional<double> call_from_thread() {
  std::chrono::duration<double, std::nano> elapsed{};
  const auto call = [&] {
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < selftest_calls; i++)
      call_selftest_function(i);
    elapsed = std::chrono::steady_clock::now() - start;
  };
  try {
    std::thread(call).join();
  } catch (const std::system_error&) {
    return std::nullopt;
  }
  return elapsed.count() / static_cast<double>(selftest_calls);
}

std::string try_backend(Backend backend, BackendCheck& check) {
  const auto probe = SelftestProbe::attach(backend, getpid());
  if (!probe) {
    check.system_error = probe.error().system_error;
    return probe.error().message;
  }
  double& hit_ns = check.hit_ns;
  // The quickest of some rounds: in the others something else ran meanwhile.
  hit_ns = std::numeric_limits<double>::max();
  for (std::uint64_t round = 0; round < selftest_rounds; round++) {
    const auto taken = call_from_thread();
    if (!taken)
      return "no thread can be started to try it with";
    hit_ns = std::min(hit_ns, *taken);
  }
  constexpr std::uint64_t expected = 2 * selftest_calls * selftest_rounds;
  if (probe->hits() != expected)
    return fmt::format("saw {} of {} hits of another thread", probe->hits(), expected);
  return "";
}

const char* hint_without_backend(std::optional<Backend> forced) {
  if (forced.value_or(Backend::perf) == Backend::perf && !has_capability(CAP_SYS_ADMIN))
    return "perf events, all that there is before Linux 6.6, may need CAP_SYS_ADMIN besides";
  return forced ? "leave --backend out to use what works here"
                : "leakbpf needs Linux 6.1 or later with CONFIG_UPROBE_EVENTS";
}

std::string missing_capabilities() {
  std::string missing;
  for (const auto& [number, name] : {std::pair{cap_bpf, "CAP_BPF"},
                                     {cap_perfmon, "CAP_PERFMON"},
                                     {CAP_SYS_PTRACE, "CAP_SYS_PTRACE"}})
    if (!has_capability(number) && !(number != CAP_SYS_PTRACE && has_capability(CAP_SYS_ADMIN)))
      missing += fmt::format("{}{}", missing.empty() ? "" : ", ", name);
  return missing;
}

} // namespace

BackendCheck check_backend(Backend backend) {
  BackendCheck check;
  check.backend = backend;
  check.reason = try_backend(backend, check);
  check.works = check.reason.empty();
  return check;
}

Result<BackendCheck> choose_backend(std::optional<Backend> forced) {
  std::string reasons;
  for (const Backend backend : {Backend::session, Backend::multi, Backend::perf}) {
    if (forced && *forced != backend)
      continue;
    BackendCheck check = check_backend(backend);
    if (check.works)
      return check;
    if (is_descriptor_shortage(check.system_error))
      return descriptor_shortage(check.system_error);
    reasons +=
        fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", backend_name(backend), check.reason);
  }
  return Error{ExitCode::cannot_trace, "this kernel attaches no uprobes (" + reasons + ")",
               hint_without_backend(forced)};
}

Result<void> check_preconditions() {
  if (const std::string missing = missing_capabilities(); !missing.empty())
    return Error{ExitCode::cannot_trace,
                 fmt::format("{} {} missing", missing,
                             missing.find(',') == std::string::npos ? "is" : "are"),
                 "run as root (sudo leakbpf ...), or with CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE"};
  if (lockdown_mode() == "confidentiality")
    return Error{ExitCode::cannot_trace,
                 "the kernel is locked down (confidentiality): BPF may not read memory",
                 "start the machine with lockdown=integrity or without lockdown"};
  if (access(kernel_btf, R_OK) != 0)
    return Error{ExitCode::cannot_trace,
                 fmt::format("this kernel has no type information ({})", kernel_btf),
                 "use a kernel with CONFIG_DEBUG_INFO_BTF, and mount /sys"};
  if (!in_initial_pid_namespace())
    return Error{
        ExitCode::cannot_trace, "leakbpf runs in a PID namespace of its own",
        "start it on the host, or in a container with the host's PIDs (hostPID, --pid=host)"};
  return {};
}

std::vector<FeatureCheck> check_features() {
  utsname kernel{};
  uname(&kernel);
  std::vector<FeatureCheck> checks;
  checks.push_back({"kernel", true, fmt::format("{} {}", kernel.release, kernel.machine)});
  checks.push_back({"kernel types (BTF)", access(kernel_btf, R_OK) == 0, kernel_btf});
  for (const auto& [number, name] : {std::pair{cap_bpf, "CAP_BPF"},
                                     {cap_perfmon, "CAP_PERFMON"},
                                     {CAP_SYS_PTRACE, "CAP_SYS_PTRACE"},
                                     {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}})
    checks.push_back({name, has_capability(number), ""});
  checks.push_back({"lockdown", lockdown_mode() != "confidentiality", lockdown_mode()});
  checks.push_back({"initial PID namespace", in_initial_pid_namespace(), ""});
  return checks;
}

} // namespace leakbpf
