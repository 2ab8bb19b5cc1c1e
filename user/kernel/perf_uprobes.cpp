// SPDX-License-Identifier: Apache-2.0
#include "kernel/perf_uprobes.h"

#include "target/kernel_file.h"

#include <cerrno>
#include <cstdlib>

#include <bpf/bpf.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace leakbpf {

namespace {

/// A number that the kernel tells of its kind of perf event for uprobes, behind `before` in the
/// file.
int pmu_number(const std::string& file, const std::string& before) {
  const auto text = read_kernel_file("/sys/bus/event_source/devices/uprobe/" + file);
  if (!text || !text->starts_with(before))
    return -1;
  return std::atoi(text->c_str() + before.size()); // NOLINT(cert-err34-c): the kernel's own number
}

UniqueFd make_keeper(std::uint32_t most) {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_PRESERVE_ELEMS);
  return UniqueFd(bpf_map_create(BPF_MAP_TYPE_PERF_EVENT_ARRAY, "perf_uprobes", sizeof(int),
                                 sizeof(int), most, &options));
}

} // namespace

PerfUprobes::PerfUprobes(std::uint32_t most)
    : type_(pmu_number("type", "")), return_bit_(pmu_number("format/retprobe", "config:")),
      keeper_(make_keeper(most)) {}

UniqueFd PerfUprobes::open_event(bool on_return, pid_t pid, const std::string& path,
                                 std::uint64_t offset) const {
  if (type_ < 0 || return_bit_ < 0) {
    errno = EOPNOTSUPP;
    return {};
  }
  perf_event_attr attr{};
  attr.size = sizeof(attr);
  attr.type = static_cast<std::uint32_t>(type_);
  attr.config = on_return ? std::uint64_t{1} << return_bit_ : 0;
  attr.uprobe_path = reinterpret_cast<std::uintptr_t>(path.c_str());
  attr.probe_offset = offset;
  const int cpu = pid < 0 ? 0 : -1;
  return UniqueFd(
      static_cast<int>(syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC)));
}

int PerfUprobes::attach(const bpf_program* program, bool on_return, pid_t pid,
                        const std::string& path, std::uint64_t offset, std::uint64_t cookie) {
  UniqueFd event = open_event(on_return, pid, path, offset);
  if (!event)
    return errno;
  const int fd = event.get();
  if (keeper_ && bpf_map_update_elem(keeper_.get(), &kept_, &fd, BPF_ANY) == 0)
    kept_++;
  LIBBPF_OPTS(bpf_perf_event_opts, options, .bpf_cookie = cookie);
  bpf_link* link = bpf_program__attach_perf_event_opts(program, fd, &options);
  if (!link)
    return errno;
  event.release(); // it is the link's
  links_.emplace_back(link);
  return 0;
}

} // namespace leakbpf
