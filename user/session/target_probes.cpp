// SPDX-License-Identifier: Apache-2.0
#include "session/target_probes.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

namespace leakbpf {

namespace {

// A program maps its libraries, and initialises its interpreter, for so many seconds at most.
constexpr double time_to_start = 1;
constexpr double time_to_initialise = 60;
// So many new processes with probes of their own in some seconds are a crowd.
constexpr std::size_t most_groups = 1024;
constexpr double crowd_seconds = 10;

} // namespace

/// To its allocators, Python's own among them: before it is a target, so that nothing is seen half.
Result<AttachSummary> TargetProbes::attach(pid_t pid, std::span<const Mapping> mappings,
                                           const PythonSearch& python) {
  auto attached = of_.attachments.attach(pid, mappings);
  if (attached && python.pools)
    if (auto pools = of_.attachments.attach(pid, *python.pools); !pools)
      of_.options.warn(pools.error().message);
  return attached;
}

/// Would probes of its own cost too much for one process more?
bool TargetProbes::should_share() {
  const double now = clock_();
  std::erase_if(owners_lately_, [now](double begin) { return begin < now - crowd_seconds; });
  const bool crowded = share_all_ || of_.attachments.owners() >= most_owners ||
                       owners_lately_.size() >= most_owners || of_.windows.groups() >= most_groups;
  // Shared probes are hit by processes that nobody has looked at.
  return crowded && of_.seccomp.are_harmless();
}

/// The group of a process that is new, which has probes of its own or shares them from here on.
HeapWindows::Index TargetProbes::join_group(pid_t pid) {
  if (!should_share()) {
    owners_lately_.push_back(clock_());
    return of_.windows.add_group(pid);
  }
  of_.attachments.share(pid);
  return of_.windows.sharing_group();
}

void TargetProbes::add_to_group(TargetState& target, HeapWindows::Index group) {
  target.group = group;
  groups_.insert(group);
  of_.windows.add(group, target.id, target.process.pid);
}

/// That of its parent, unless it is one of too many.
HeapWindows::Index TargetProbes::group_of_child(pid_t pid, const TargetState* parent) {
  if (!parent)
    return of_.windows.sharing_group();
  if (of_.windows.is_sharing(parent->group)) {
    of_.attachments.share(pid); // as the kernel side has it
    return parent->group;
  }
  if (!should_share() || !of_.control.share_target(pid, of_.windows.sharing_group())) {
    owners_lately_.push_back(clock_());
    return parent->group;
  }
  of_.attachments.share(pid);
  of_.windows.start(of_.windows.sharing_group());
  return of_.windows.sharing_group();
}

/// Follows the interpreter that was found in the target.
void TargetProbes::take_python(TargetState& target, PythonSearch search) {
  const double age = clock_() - target.since;
  // A program that starts has not mapped all its libraries yet.
  if (search.only_named && age < time_to_start)
    search.problem.clear();
  target.python = std::move(search);
  const PythonSearch& found = target.python;
  const pid_t pid = target.process.pid;
  if (!found.problem.empty())
    of_.options.warn(fmt::format("PID {} ({}): native stacks only: {}", pid, target.process.comm,
                                 found.problem));
  if (found.pools && !target.python_pools) {
    const auto attached = of_.attachments.attach(pid, *found.pools);
    target.python_pools = static_cast<bool>(attached);
    if (!attached)
      of_.options.warn(attached.error().message);
  }
  if (!found.process)
    return;
  attach_python_hooks(target);
  found_python_(target);
}

/// To what tells of code objects that die, and of the garbage collector.
void TargetProbes::attach_python_hooks(TargetState& target) {
  const PythonSearch& found = target.python;
  const pid_t pid = target.process.pid;
  if (found.code_dealloc_offset &&
      of_.attachments.attach_code_hook(pid, found.interpreter, *found.code_dealloc_offset)) {
    leakbpf_python layout = found.process->layout.walk;
    layout.deaths_told = 1; // what is known of code objects can be remembered
    static_cast<void>(of_.control.put_python(target.id, layout));
  }
  target.python_collector =
      found.collector_offset && of_.seccomp.allow_returns(target.process) &&
      of_.attachments.attach_collector(pid, found.interpreter, *found.collector_offset);
}

/// An interpreter that was not there, or not initialised, when the target began.
void TargetProbes::look_for_python(TargetState& target, std::span<const Mapping> mappings) {
  if (!of_.options.python || target.python.process || !target.python.problem.empty())
    return;
  if (target.python.version && clock_() - target.since > time_to_initialise)
    return; // it has the library, and does not use it
  PythonSearch search = find_python(of_.proc, target.process.pid, mappings);
  if (search.process && !of_.control.put_python(target.id, search.process->layout.walk)) {
    search.process.reset();
    search.problem = "too many Python processes at once";
  }
  take_python(target, std::move(search));
}

/// What is mapped in its process. When that is ending, has ended, or runs another program whose
/// event is still to come, it is what was seen last.
std::string TargetProbes::read_maps(const TargetState& target) const {
  if (target.alive()) // else the PID may be another's by now
    if (auto read = of_.proc.read(target.process.pid, "maps");
        read && of_.targets.has_image(target))
      return std::move(*read);
  return of_.unwind.maps_seen(target.id);
}

/// Reads the target's mappings; attaches to allocators that are new in it.
void TargetProbes::refresh(TargetState& target) {
  const pid_t pid = target.process.pid;
  const std::string text = read_maps(target);
  const std::size_t digest = std::hash<std::string>()(text);
  if (text.empty() || (digest == target.maps_digest && !target.awaits_python()))
    return;
  target.maps_digest = digest;
  target.mapped_by = pid;
  const auto mappings = parse_mappings(text);
  target.space.update(mappings);
  // Nothing is to be attached to any more, or ever.
  if (!target.alive() || frozen_ || !of_.targets.has_image(target) || !may_be_probed(target))
    return;
  look_for_python(target, mappings);
  const auto attached = of_.attachments.attach(pid, mappings);
  if (!attached)
    of_.left_out.tell(pid, attached.error());
  else if (attached->probes > 0)
    of_.options.inform(fmt::format("tracing PID {} ({}): {} probes in {} files", pid,
                                   target.process.comm, attached->probes, attached->files));
}

/// Page faults are followed without a probe in the process.
Result<void> TargetProbes::allow(const ProcessInfo& process) {
  const KernelConfig& kinds = of_.options.kernel;
  if (!kinds.heap && !kinds.mmap && !kinds.brk && !kinds.python)
    return {};
  return of_.seccomp.allow_returns(process);
}

/// Asked once: a child has its parent's filter, and a program that of the one before it.
bool TargetProbes::may_be_probed(TargetState& target) {
  if (!target.may_be_probed) {
    const auto allowed = allow(target.process);
    target.may_be_probed = static_cast<bool>(allowed);
    if (!allowed)
      of_.options.warn(allowed.error().message);
  }
  return *target.may_be_probed;
}

/// It has probes of its own, and goes on without its main thread.
bool TargetProbes::has_lost_main_thread(const TargetState& target) const {
  const pid_t pid = target.process.pid;
  if (of_.attachments.is_sharing(pid) || !of_.attachments.has_probes(pid))
    return false;
  const auto stat = of_.proc.stat(pid);
  return stat && stat->state == 'Z';
}

/// Perf events of one process belong to its main thread, and end with it.
bool TargetProbes::are_lost(const TargetState& target) const {
  return of_.backend == Backend::perf && has_lost_main_thread(target);
}

/// What a process without its main thread has mapped, which its other threads show; nothing when
/// none does.
std::vector<Mapping> TargetProbes::mappings_of_threads(pid_t pid) const {
  std::error_code problem;
  for (std::filesystem::directory_iterator entry(of_.proc.path(pid, "task"), problem), end;
       !problem && entry != end; entry.increment(problem)) {
    const auto maps = of_.proc.read(pid, "task/" + entry->path().filename().string() + "/maps");
    if (maps && !maps->empty())
      return parse_mappings(*maps);
  }
  return {};
}

/// Of a process that has no main thread the kernel takes the breakpoints out as soon as anybody's
/// probes at the same places go (the filter of a multi link asks for the main thread's memory).
/// Those that are for every process stay.
void TargetProbes::move_to_shared(TargetState& target) {
  const pid_t pid = target.process.pid;
  const auto mappings = mappings_of_threads(pid);
  if (frozen_ || !of_.seccomp.are_harmless())
    return;
  of_.attachments.share(pid);
  const auto attached = attach(pid, mappings, target.python);
  const HeapWindows::Index group = of_.windows.sharing_group();
  // In a container its files cannot be opened through it any more.
  if (!attached || !of_.attachments.has_probes(pid) || !of_.control.share_target(pid, group)) {
    of_.attachments.detach(pid); // what it has of its own stays
    return;
  }
  of_.attachments.drop_own(pid);
  of_.windows.remove(target.group, target.id);
  add_to_group(target, group);
  of_.windows.start(group);
  if (target.python.process)
    attach_python_hooks(target);
}

/// What is outstanding is judged after that, too, by what its heap was.
void TargetProbes::take_out(TargetState& target) {
  if (!target.had_only_glibc)
    target.had_only_glibc = of_.attachments.uses_only_glibc(target.process.pid);
  of_.attachments.detach(target.process.pid);
}

/// Between windows the large blocks of the target are known by their mappings.
bool TargetProbes::maps_blocks(const TargetState& target) const {
  if (!target.window.limited || target.window.mappings_unseen)
    return false;
  return target.had_only_glibc ? *target.had_only_glibc
                               : of_.attachments.uses_only_glibc(target.process.pid);
}

} // namespace leakbpf
