// SPDX-License-Identifier: Apache-2.0
#include "kernel/attach.h"

#include "base/descriptor_limit.h"

#include <cerrno>
#include <cstring>

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace leakbpf {

namespace {

// Newer than the headers of the oldest distribution that we build on (linux/bpf.h).
constexpr std::uint32_t attach_type_multi = 48;   // BPF_TRACE_UPROBE_MULTI
constexpr std::uint32_t attach_type_session = 57; // BPF_TRACE_UPROBE_SESSION
constexpr std::uint32_t multi_return_flag = 1;    // BPF_F_UPROBE_MULTI_RETURN

/// The part of union bpf_attr that BPF_LINK_CREATE reads for uprobe multi links. Written out
/// because libbpf before 1.6 refuses session links.
struct UprobeMultiAttr {
  std::uint32_t program_fd;
  std::uint32_t target_fd;
  std::uint32_t attach_type;
  std::uint32_t flags;
  std::uint64_t path;
  std::uint64_t offsets;
  std::uint64_t reference_counter_offsets;
  std::uint64_t cookies;
  std::uint32_t count;
  std::uint32_t multi_flags;
  std::uint32_t pid;
  std::uint32_t reserved;
};
static_assert(sizeof(UprobeMultiAttr) == 64);

/// A process that has ended shows no file system any more. Not access(): without root that asks for
/// another's right than the one by which we read.
bool has_ended(pid_t pid) {
  struct stat info {};
  return pid != every_process && stat(fmt::format("/proc/{}/root/", pid).c_str(), &info) != 0;
}

Error attach_error(const std::string& path, pid_t pid, int error) {
  if (is_descriptor_shortage(error))
    return descriptor_shortage(error).in(fmt::format("cannot attach to {}", path));
  const std::string where = pid == every_process ? "" : fmt::format(" in PID {}", pid);
  Error failure{ExitCode::cannot_trace,
                fmt::format("cannot attach to {}{}: {}", path, where, std::strerror(error)), ""};
  if (error == ESRCH || (error == ENOENT && has_ended(pid))) {
    failure.code = ExitCode::no_target;
    failure.message = fmt::format("PID {} ended while leakbpf attached to it", pid);
  } else if (error == EPERM || error == EACCES) {
    failure.hint = "run as root, or with CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE";
  } else {
    failure.hint = "`leakbpf doctor` shows what this kernel allows; --backend tries another way";
  }
  return failure;
}

Result<Link> attach_multi(const bpf_program* program, std::uint32_t attach_type, bool on_return,
                          pid_t pid, const std::string& path, std::span<const AttachPoint> points) {
  std::vector<std::uint64_t> offsets;
  std::vector<std::uint64_t> cookies;
  for (const AttachPoint& point : points) {
    offsets.push_back(point.file_offset);
    cookies.push_back(point.cookie);
  }
  UprobeMultiAttr attr{};
  attr.program_fd = static_cast<std::uint32_t>(bpf_program__fd(program));
  attr.attach_type = attach_type;
  attr.path = reinterpret_cast<std::uintptr_t>(path.c_str());
  attr.offsets = reinterpret_cast<std::uintptr_t>(offsets.data());
  attr.cookies = reinterpret_cast<std::uintptr_t>(cookies.data());
  attr.count = static_cast<std::uint32_t>(points.size());
  attr.multi_flags = on_return ? multi_return_flag : 0;
  attr.pid = static_cast<std::uint32_t>(pid);
  const auto fd = static_cast<int>(syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr)));
  if (fd < 0)
    return attach_error(path, pid, errno);
  return Link(UniqueFd(fd));
}

Result<Link> attach_perf(const bpf_program* program, bool on_return, pid_t pid,
                         const std::string& path, std::span<const AttachPoint> points) {
  PerfUprobes probes(static_cast<std::uint32_t>(points.size()));
  for (const AttachPoint& point : points)
    if (const int error = probes.attach(program, on_return, pid == every_process ? -1 : pid, path,
                                        point.file_offset, point.cookie);
        error != 0)
      return attach_error(path, pid, error);
  return Link(std::move(probes));
}

Result<void> attach_one(Backend backend, const bpf_program* program, bool on_return, pid_t pid,
                        const std::string& path, std::span<const AttachPoint> points,
                        std::vector<Link>& links) {
  auto link = backend == Backend::perf
                  ? attach_perf(program, on_return, pid, path, points)
                  : attach_multi(program, attach_type_multi, on_return, pid, path, points);
  if (!link)
    return link.error();
  links.push_back(std::move(*link));
  return {};
}

} // namespace

Result<void> attach(Backend backend, const ProgramSet& programs, pid_t pid, const std::string& path,
                    std::span<const AttachPoint> points, std::vector<Link>& links) {
  std::vector<Link> made;
  if (points.empty())
    return {};
  if (backend == Backend::session && programs.session) {
    auto link = attach_multi(programs.session, attach_type_session, false, pid, path, points);
    if (!link)
      return link.error();
    made.push_back(std::move(*link));
  } else {
    // The return first: an entry whose return is not seen would count as missed.
    if (programs.exit)
      if (auto done = attach_one(backend, programs.exit, true, pid, path, points, made); !done)
        return done;
    if (auto done = attach_one(backend, programs.entry, false, pid, path, points, made); !done)
      return done;
  }
  for (Link& link : made)
    links.push_back(std::move(link));
  return {};
}

void prepare_program(bpf_program* program, Backend backend, bool is_session) {
  const bool wanted = is_session == (backend == Backend::session);
  bpf_program__set_autoload(program, wanted);
  if (!wanted)
    return;
  if (is_session)
    bpf_program__set_expected_attach_type(program,
                                          static_cast<bpf_attach_type>(attach_type_session));
  else if (backend != Backend::perf)
    bpf_program__set_expected_attach_type(program, static_cast<bpf_attach_type>(attach_type_multi));
}

} // namespace leakbpf
