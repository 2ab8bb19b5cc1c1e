// SPDX-License-Identifier: Apache-2.0
// Probes in processes, and the windows in which they count.
#include "kernel/kernel_side_impl.h"

namespace leakbpf {

namespace {

std::uint64_t shared_bit(pid_t pid) {
  return pid == every_process ? LEAKBPF_COOKIE_SHARED : 0;
}

bool kind_wanted(const KernelConfig& config, leakbpf_kind kind) {
  switch (kind) {
  case LEAKBPF_KIND_MMAP:
    return config.mmap;
  case LEAKBPF_KIND_BRK:
    return config.brk;
  case LEAKBPF_KIND_PYTHON:
    return config.python;
  case LEAKBPF_KIND_PAGES:
    return config.pages;
  default:
    return config.heap;
  }
}

} // namespace

std::size_t KernelSide::wanted_probes(const ProbePlan& plan) const {
  return static_cast<std::size_t>(
      std::count_if(plan.probes.begin(), plan.probes.end(), [this](const PlannedProbe& probe) {
        return kind_wanted(impl_->config, probe.function->kind);
      }));
}

Result<void> KernelSide::attach_those(const ProbePlan& plan, pid_t pid, const ProgramSet& programs,
                                      const std::function<bool(const PlannedProbe&)>& wanted,
                                      std::vector<Link>& links) const {
  std::vector<AttachPoint> points;
  for (const PlannedProbe& probe : plan.probes)
    if (kind_wanted(impl_->config, probe.function->kind) && wanted(probe))
      points.push_back({probe.file_offset, probe.cookie | shared_bit(pid)});
  return attach(impl_->config.backend, programs, pid, plan.file.open_path, points, links);
}

Result<std::vector<Link>> KernelSide::attach_heap(const ProbePlan& plan, pid_t pid) {
  const auto& progs = impl_->skeleton->progs;
  const ProgramSet free_programs{progs.on_free, nullptr, nullptr};
  const ProgramSet reallocate_programs{progs.on_reallocate_entry, progs.on_reallocate_return,
                                       progs.on_reallocate_session};
  const ProgramSet allocate_programs{progs.on_allocate_entry, progs.on_allocate_return,
                                     progs.on_allocate_session};
  std::vector<Link> links;
  for (const auto& [operation, programs] : {std::pair{LEAKBPF_OP_FREE, free_programs},
                                            {LEAKBPF_OP_REALLOCATE, reallocate_programs},
                                            {LEAKBPF_OP_ALLOCATE, allocate_programs}}) {
    const auto wanted = [operation = operation](const PlannedProbe& probe) {
      return probe.function->operation == operation;
    };
    if (auto done = attach_those(plan, pid, programs, wanted, links); !done)
      return done.error();
  }
  return links;
}

Result<std::vector<Link>> KernelSide::attach_mapping_calls(const ProbePlan& plan, pid_t pid) {
  const auto& progs = impl_->skeleton->progs;
  const ProgramSet range_programs{progs.on_range_entry, progs.on_range_return,
                                  progs.on_range_session};
  const auto is_range = [](const PlannedProbe& probe) {
    return probe.function->kind == LEAKBPF_KIND_MMAP || probe.function->kind == LEAKBPF_KIND_BRK;
  };
  std::vector<Link> links;
  if (auto done = attach_those(plan, pid, range_programs, is_range, links); !done)
    return done.error();
  return links;
}

Result<std::vector<Link>> KernelSide::attach_pools(const ProbePlan& plan, pid_t pid) {
  const auto& progs = impl_->skeleton->progs;
  const ProgramSet allocate_programs{progs.on_allocate_entry, progs.on_allocate_return,
                                     progs.on_allocate_session};
  const auto is_pool = [](const PlannedProbe& probe) {
    return probe.function->operation == LEAKBPF_OP_PYTHON_POOL;
  };
  std::vector<Link> links;
  if (auto done = attach_those(plan, pid, allocate_programs, is_pool, links); !done)
    return done.error();
  return links;
}

void KernelSide::set_window(std::uint32_t index, const leakbpf_window& window) {
  const int map = bpf_map__fd(impl_->skeleton->maps.windows);
  leakbpf_window closed = window;
  closed.number = 0;
  // The number last: nothing is to be followed by half of the settings.
  impl_->access.update(map, &index, &closed, BPF_ANY);
  if (window.number != 0)
    impl_->access.update(map, &index, &window, BPF_ANY);
}

Result<std::vector<Link>> KernelSide::attach_mappings_probe(const std::string& path,
                                                            std::uint64_t file_offset, pid_t pid) {
  return attach_hook({impl_->skeleton->progs.on_mappings_changed, nullptr, nullptr}, path,
                     file_offset, pid);
}

Result<std::vector<Link>> KernelSide::attach_code_probe(const std::string& path,
                                                        std::uint64_t file_offset, pid_t pid) {
  return attach_hook({impl_->skeleton->progs.on_code_died, nullptr, nullptr}, path, file_offset,
                     pid);
}

Result<std::vector<Link>> KernelSide::attach_collector(const std::string& path,
                                                       std::uint64_t file_offset, pid_t pid) {
  const auto& progs = impl_->skeleton->progs;
  return attach_hook({progs.on_collect_entry, progs.on_collect_return, progs.on_collect_session},
                     path, file_offset, pid);
}

/// At one place of one file.
Result<std::vector<Link>> KernelSide::attach_hook(const ProgramSet& programs,
                                                  const std::string& path,
                                                  std::uint64_t file_offset, pid_t pid) const {
  const AttachPoint point{file_offset, shared_bit(pid)};
  std::vector<Link> links;
  if (auto done = attach(impl_->config.backend, programs, pid, path, std::span(&point, 1), links);
      !done)
    return done.error();
  return links;
}

} // namespace leakbpf
