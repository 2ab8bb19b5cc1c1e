// SPDX-License-Identifier: Apache-2.0
// The targets of a Tracer: how processes become targets, what becomes of them, what they have
// mapped.
#include "base/descriptor_limit.h"
#include "core/units.h"
#include "session/follow_changing.h"
#include "session/tracer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

namespace leakbpf {

namespace {

// A new process maps its libraries during its first milliseconds.
constexpr std::array new_image_delays{0.02, 0.25};
constexpr double time_to_start = 1;
constexpr double time_to_initialise = 60;
// Each hit of a probe asks all links of its place, and each link takes the kernel some
// milliseconds: beyond so many processes with probes of their own, or so many new ones in some
// seconds, others share theirs.
constexpr std::size_t most_owners = 16;
constexpr std::size_t most_groups = 1024;
constexpr double crowd_seconds = 10;

Error no_allocator_error(const ProcessInfo& process, const KernelConfig& wanted) {
  if (!wanted.heap && !wanted.mmap && !wanted.brk)
    return Error{ExitCode::no_target,
                 fmt::format("PID {} ({}) has no Python whose pools can be tracked", process.pid,
                             process.comm),
                 "--kinds heap,python also tracks native allocations, of any program"};
  return Error{
      ExitCode::no_target,
      fmt::format(
          "no allocator found in PID {} ({}): none of its files has a symbol for malloc or mmap",
          process.pid, process.comm),
      "if it is stripped, install its debug symbols, or use --kinds pages, which works with any "
      "allocator; if it has its own allocator, name that with --object PATH and --symbol-prefix P"};
}

std::string describe_probes(const AttachSummary& probes, Backend backend) {
  if (probes.probes == 0)
    return "no probes";
  return fmt::format("{} in {}, {} back-end", format_counted(probes.probes, "probe", "probes"),
                     format_counted(probes.files, "file", "files"), backend_name(backend));
}

/// A process that cannot be read this time may be read the next: of one that nothing is known of it
/// could not be told later that it is the same.
Result<ProcessInfo> insist_on_inspecting(const ProcFs& proc, pid_t pid) {
  constexpr int most_tries = 3;
  for (int tries = 1;; tries++)
    if (auto process = inspect_process(proc, pid);
        process || process.error().code == ExitCode::no_target || tries == most_tries)
      return process;
}

} // namespace

/// All that can be followed of those that are wanted at the start.
Result<void> Tracer::follow_all(const std::vector<pid_t>& pids) {
  share_all_ = pids.size() > most_owners;
  std::optional<Error> first_error;
  for (const pid_t pid : pids) {
    const bool named =
        std::find(options_.pids.begin(), options_.pids.end(), pid) != options_.pids.end();
    const auto followed = follow_changing(proc_, pid, [&] { return follow(pid, named); });
    if (followed)
      continue;
    first_error = first_error.value_or(followed.error());
    if (const auto stat = proc_.stat(pid))
      refused_[{pid, stat->start_ticks}]++;
    if (!count_unattached(pid, followed.error()) &&
        (pids.size() > 1 || options_.selection.takes_new()))
      options_.warn(followed.error().message);
  }
  if (targets_.empty() && (!unattached_.empty() || !options_.selection.takes_new()))
    return unattached_.empty() ? *first_error : descriptor_shortage(EMFILE);
  tell_left_out(pids.size());
  return {};
}

/// One line for each target, as long as they fit on a screen.
void Tracer::tell_begin() {
  if (targets_.empty())
    options_.inform("waiting for a process that matches");
  if (targets_.size() <= most_owners) {
    for (const auto& [id, target] : targets_)
      options_.inform(target.begin);
    return;
  }
  options_.inform(fmt::format("tracing {} processes: {} for all of them", targets_.size(),
                              describe_probes(begin_, backend_.backend)));
}

/// To its allocators, Python's own among them: before it is a target, so that nothing is seen half.
Result<AttachSummary> Tracer::attach_to(pid_t pid, std::span<const Mapping> mappings,
                                        const PythonSearch& python) {
  auto attached = attachments_.attach(pid, mappings);
  if (attached && python.pools)
    if (auto pools = attachments_.attach(pid, *python.pools); !pools)
      options_.warn(pools.error().message);
  return attached;
}

/// Would probes of its own cost too much for one process more?
bool Tracer::should_share() {
  const double now = elapsed();
  std::erase_if(owners_lately_, [now](double begin) { return begin < now - crowd_seconds; });
  const bool crowded = share_all_ || attachments_.owners() >= most_owners ||
                       owners_lately_.size() >= most_owners || windows_.groups() >= most_groups;
  // Shared probes are hit by processes that nobody has looked at.
  return crowded && seccomp_.are_harmless();
}

/// The group of a process that is new, which has probes of its own or shares them from here on.
HeapWindows::Index Tracer::join_group(pid_t pid) {
  if (!should_share()) {
    owners_lately_.push_back(elapsed());
    return windows_.add_group(pid);
  }
  attachments_.share(pid);
  return windows_.sharing_group();
}

/// `named`: by its PID; else it belongs to a selection.
Result<void> Tracer::follow(pid_t pid, bool named) {
  auto process = inspect_process(proc_, pid);
  if (!process)
    return process.error();
  if (auto allowed = allow_probes(*process); !allowed)
    return allowed.error();
  auto mappings = proc_.mappings(pid);
  if (!mappings)
    return mappings.error();
  unwind_->prepare(pid);
  PythonSearch python;
  if (options_.python)
    python = find_python(proc_, pid, *mappings);
  const HeapWindows::Index group = join_group(pid);
  auto attached = attach_to(pid, *mappings, python);
  // One that was not named by its PID may have only begun to map its files.
  if (attached && named && !attachments_.has_probes(pid) && !options_.kernel.pages)
    attached = no_allocator_error(*process, options_.kernel);
  if (!attached) {
    attachments_.detach(pid);
    return attached.error();
  }
  auto id = kernel_.start_target(pid, group, attachments_.is_sharing(pid),
                                 python.process ? &python.process->layout.walk : nullptr);
  if (!id) {
    attachments_.detach(pid);
    return id.error();
  }
  unwind_->describe_space(*id, pid); // of a target that starts, space and id are the same
  TargetState& target = add_target(*id, pid, group, {}, std::move(python));
  target.asked_for = true;
  target.begin = fmt::format("tracing PID {} ({}): {}", pid, target.process.comm,
                             describe_probes(*attached, backend_.backend));
  begin_.probes += attached->probes;
  begin_.files += attached->files;
  return {};
}

void Tracer::attach_file(pid_t pid, const std::string& path) {
  unwind_->prepare_file(path); // the command may have ended before its first stack is looked at
  const auto attached = attachments_.attach_file(pid, path);
  if (!attached)
    options_.warn(fmt::format("what the command allocates while it starts may be missing: {}",
                              attached.error().message));
}

/// What stacks will lack, before they do.
void Tracer::inform_of_tables() {
  const TableLoaderStats stats = unwind_->stats();
  if (stats.files_without_table > 0 || stats.damaged_functions > 0)
    options_.inform(fmt::format("{} of {} files have no unwind table, {} functions in the others "
                                "have damaged entries: `leakbpf doctor -p PID` shows which",
                                stats.files_without_table, stats.files, stats.damaged_functions));
}

TargetState& Tracer::add_target(std::uint32_t id, pid_t pid, std::uint32_t group,
                                std::optional<std::uint64_t> start_stack, PythonSearch python) {
  const auto [added, is_new] = targets_.try_emplace(id);
  TargetState& target = added->second;
  living_ += is_new ? 1 : 0;
  groups_used_.insert(group);
  target.id = id;
  target.since = elapsed();
  target.group = group;
  target.before = kernel_.activity(id);
  windows_.add(group, id, pid);
  if (auto process = insist_on_inspecting(proc_, pid))
    target.process = std::move(*process);
  else if (const auto stat = proc_.stat(pid)) { // it has ended, and was not collected yet
    target.process.comm = stat->comm;
    target.process.ppid = stat->ppid;
    target.process.start_ticks = stat->start_ticks;
  }
  target.process.pid = pid;
  target.process.start_stack = start_stack.value_or(target.process.start_stack);
  if (auto resident = proc_.resident_bytes(pid))
    target.rss_start = target.rss_now = *resident;
  start_range_map(target);
  if (python.version || python.only_named)
    take_python(target, std::move(python));
  refresh_mappings(target);
  return target;
}

/// That of its parent, unless it is one of too many.
HeapWindows::Index Tracer::group_of_child(pid_t pid, const TargetState* parent) {
  if (!parent)
    return windows_.sharing_group();
  if (windows_.is_sharing(parent->group)) {
    attachments_.share(pid); // as the kernel side has it
    return parent->group;
  }
  if (!should_share() || !kernel_.share_target(pid, windows_.sharing_group())) {
    owners_lately_.push_back(elapsed());
    return parent->group;
  }
  attachments_.share(pid);
  windows_.start(windows_.sharing_group());
  return windows_.sharing_group();
}

void Tracer::on_fork(const leakbpf_event& event) {
  const auto pid = static_cast<pid_t>(event.tgid);
  const TargetState* parent = find_target(event.peer_target);
  TargetState& child = add_target(event.target, pid, group_of_child(pid, parent), event.address,
                                  parent ? parent->python : PythonSearch{});
  if (parent) {
    child.inherit_mappings(*parent);
    // What was read may be of the program that it runs by now.
    if (child.process.executable.empty() || !has_image(child))
      child.inherit_description(*parent);
  }
  unwind_->describe_space(event.target, pid);
  await_mappings(pid);
}

void Tracer::on_exec(const leakbpf_event& event) {
  const auto pid = static_cast<pid_t>(event.tgid);
  TargetState* before = find_target(event.peer_target);
  if (before) {
    end_target(*before, "ran another program (exec)");
    windows_.remove(before->group, before->id);
  }
  TargetState& image = add_target(event.target, pid,
                                  before ? before->group : windows_.sharing_group(), event.address);
  if (before && image.process.ppid == 0) // it has ended by now
    image.process.ppid = before->process.ppid;
  await_mappings(pid);
}

void Tracer::end_target(TargetState& target, std::string how) {
  living_ -= target.alive() ? 1 : 0;
  target.ended = TargetEnd{std::move(how), elapsed()};
  keep_collections(target);
  holders_.end(target.id);
  rooms_.end(target.id);
}

void Tracer::keep_collections(TargetState& target) {
  target.collections = kernel_.collections(target.id);
  if (target.collections)
    kernel_.forget_collections(target.id);
}

void Tracer::on_exit(std::uint32_t id, std::string how) {
  TargetState* target = find_target(id);
  if (!target || !target->alive())
    return;
  end_target(*target, std::move(how));
  windows_.remove(target->group, id);
  take_probes_out(*target);
}

/// What is outstanding is judged after that, too, by what its heap was.
void Tracer::take_probes_out(TargetState& target) {
  if (!target.had_only_glibc)
    target.had_only_glibc = attachments_.uses_only_glibc(target.process.pid);
  attachments_.detach(target.process.pid);
}

void Tracer::attach_pending() {
  const double now = elapsed();
  for (const Pending& pending : std::exchange(pending_, {})) {
    if (pending.due > now) {
      pending_.push_back(pending);
      continue;
    }
    const auto id = kernel_.target_id(pending.pid);
    TargetState* target = id ? find_target(*id) : nullptr;
    if (target && target->alive())
      refresh_mappings(*target);
    else if (!id && options_.selection.takes_new() &&
             options_.selection.matches(proc_, pending.pid))
      take_selected(pending.pid); // else it had a short life
  }
}

void Tracer::await_mappings(pid_t pid) {
  for (const double delay : new_image_delays)
    pending_.push_back({elapsed() + delay, pid});
}

/// A process that was selected, but not by its PID. One that cannot be traced is asked again once:
/// it may have been the machine that was short of something.
void Tracer::take_selected(pid_t pid) {
  constexpr int most_refusals = 2;
  const auto stat = proc_.stat(pid);
  if (frozen_ || !stat)
    return;
  const std::pair process(pid, stat->start_ticks);
  if (const auto refused = refused_.find(process);
      refused != refused_.end() && refused->second >= most_refusals)
    return;
  const auto followed = follow_changing(proc_, pid, [&] { return follow(pid, false); });
  if (followed) {
    const auto id = kernel_.target_id(pid);
    const TargetState* target = id ? find_target(*id) : nullptr;
    if (!target)
      return; // it ended at once
    windows_.start(target->group);
    await_mappings(pid);
    options_.inform(target->begin);
    return;
  }
  refused_[process]++;
  if (is_descriptor_shortage(followed.error()))
    tell_failure(pid, followed.error());
  else
    options_.inform(followed.error().message);
}

/// Processes that began before an event could tell, or match by now.
void Tracer::look_for_targets() {
  constexpr double scan_seconds = 2;
  constexpr double scan_share = 0.01; // of one core
  const double begin = elapsed();
  if (!options_.selection.takes_new() || frozen_ || begin < next_target_scan_)
    return;
  for (const pid_t pid : options_.selection.matching(proc_))
    if (!kernel_.target_id(pid))
      take_selected(pid);
  std::erase_if(refused_, [this](const auto& refused) {
    const auto& [pid, start_ticks] = refused.first;
    const auto stat = proc_.stat(pid);
    return !stat || stat->start_ticks != start_ticks;
  });
  next_target_scan_ = elapsed() + std::max(scan_seconds, (elapsed() - begin) / scan_share);
}

/// Follows the interpreter that was found in the target.
void Tracer::take_python(TargetState& target, PythonSearch search) {
  const double age = elapsed() - target.since;
  // A program that starts has not mapped all its libraries yet.
  if (search.only_named && age < time_to_start)
    search.problem.clear();
  target.python = std::move(search);
  const PythonSearch& found = target.python;
  const pid_t pid = target.process.pid;
  if (!found.problem.empty())
    options_.warn(fmt::format("PID {} ({}): native stacks only: {}", pid, target.process.comm,
                              found.problem));
  if (found.pools && !target.python_pools) {
    const auto attached = attachments_.attach(pid, *found.pools);
    target.python_pools = static_cast<bool>(attached);
    if (!attached)
      options_.warn(attached.error().message);
  }
  if (!found.process)
    return;
  attach_python_hooks(target);
  watch_containers(target);
}

/// To what tells of code objects that die, and of the garbage collector.
void Tracer::attach_python_hooks(TargetState& target) {
  const PythonSearch& found = target.python;
  const pid_t pid = target.process.pid;
  if (found.code_dealloc_offset &&
      attachments_.attach_code_hook(pid, found.interpreter, *found.code_dealloc_offset)) {
    leakbpf_python layout = found.process->layout.walk;
    layout.deaths_told = 1; // what is known of code objects can be remembered
    static_cast<void>(kernel_.put_python(target.id, layout));
  }
  target.python_collector =
      found.collector_offset && seccomp_.allow_returns(target.process) &&
      attachments_.attach_collector(pid, found.interpreter, *found.collector_offset);
}

/// An interpreter that was not there, or not initialised, when the target began.
void Tracer::look_for_python(TargetState& target, std::span<const Mapping> mappings) {
  if (!options_.python || target.python.process || !target.python.problem.empty())
    return;
  if (target.python.version && elapsed() - target.since > time_to_initialise)
    return; // it has the library, and does not use it
  PythonSearch search = find_python(proc_, target.process.pid, mappings);
  if (search.process && !kernel_.put_python(target.id, search.process->layout.walk)) {
    search.process.reset();
    search.problem = "too many Python processes at once";
  }
  take_python(target, std::move(search));
}

/// What is mapped in its process. When that is ending, has ended, or runs another program whose
/// event is still to come, it is what was seen last.
std::string Tracer::read_maps(const TargetState& target) const {
  if (target.alive()) // else the PID may be another's by now
    if (auto read = proc_.read(target.process.pid, "maps"); read && has_image(target))
      return std::move(*read);
  return unwind_->maps_seen(target.id);
}

/// Reads the target's mappings; attaches to allocators that are new in it.
void Tracer::refresh_mappings(TargetState& target) {
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
  if (!target.alive() || frozen_ || !has_image(target) || !may_be_probed(target))
    return;
  look_for_python(target, mappings);
  const auto attached = attachments_.attach(pid, mappings);
  if (!attached)
    tell_failure(pid, attached.error());
  else if (attached->probes > 0)
    options_.inform(fmt::format("tracing PID {} ({}): {} probes in {} files", pid,
                                target.process.comm, attached->probes, attached->files));
}

/// Page faults are followed without a probe in the process.
Result<void> Tracer::allow_probes(const ProcessInfo& process) {
  const KernelConfig& kinds = options_.kernel;
  if (!kinds.heap && !kinds.mmap && !kinds.brk && !kinds.python)
    return {};
  return seccomp_.allow_returns(process);
}

/// Asked once: a child has its parent's filter, and a program that of the one before it.
bool Tracer::may_be_probed(TargetState& target) {
  if (!target.may_be_probed) {
    const auto allowed = allow_probes(target.process);
    target.may_be_probed = static_cast<bool>(allowed);
    if (!allowed)
      options_.warn(allowed.error().message);
  }
  return *target.may_be_probed;
}

/// The process, whatever program it runs by now.
bool Tracer::still_runs(const TargetState& target) const {
  return is_process_of(target.process, proc_.stat(target.process.pid));
}

/// What runs by its PID is the program that the target stands for. An exec changes the memory some
/// time before the kernel side's table, and that some time before its event is read.
bool Tracer::has_image(const TargetState& target) const {
  return is_target_of_its_pid(target) &&
         is_image_of(target.process, proc_.stat(target.process.pid));
}

/// Its memory, as it could be read until now, was that of the program that the target stands for.
bool Tracer::is_same_image(const TargetState& target) const {
  if (!is_target_of_its_pid(target))
    return false;
  const auto stat = proc_.stat(target.process.pid);
  return is_process_of(target.process, stat) && is_image_of(target.process, stat);
}

bool Tracer::is_target_of_its_pid(const TargetState& target) const {
  const auto image = kernel_.target_id(target.process.pid); // nothing once it is frozen
  return image.value_or(target.id) == target.id;
}

/// Looks at the living targets, at some of them when they are many: each costs some reads of /proc.
/// Ends of processes are events, and events can be dropped; and a process can end in the moment in
/// which it becomes a target. Its PID may be another's next.
void Tracer::look_at_targets() {
  constexpr std::size_t most_looks = 64;
  looked_at_.clear();
  auto next = targets_.upper_bound(last_looked_at_);
  for (std::size_t i = 0; i < targets_.size() && looked_at_.size() < most_looks; i++, next++) {
    if (next == targets_.end())
      next = targets_.begin();
    auto& [id, target] = *next;
    if (!target.alive())
      continue;
    last_looked_at_ = id;
    looked_at_.push_back(id);
    const bool runs = still_runs(target);
    if (runs && !lost_probes(target)) {
      refresh_mappings(target);
      if (has_lost_main_thread(target))
        move_to_shared_probes(target);
      continue;
    }
    if (kernel_.target_id(target.process.pid) == id)
      kernel_.stop_target(target.process.pid);
    on_exit(id, runs ? "its main thread ended, and with it the probes (perf events)" : "ended");
  }
}

/// It has probes of its own, and goes on without its main thread.
bool Tracer::has_lost_main_thread(const TargetState& target) const {
  const pid_t pid = target.process.pid;
  if (attachments_.is_sharing(pid) || !attachments_.has_probes(pid))
    return false;
  const auto stat = proc_.stat(pid);
  return stat && stat->state == 'Z';
}

/// Perf events of one process belong to its main thread, and end with it.
bool Tracer::lost_probes(const TargetState& target) const {
  return backend_.backend == Backend::perf && has_lost_main_thread(target);
}

/// What a process without its main thread has mapped, which its other threads show; nothing when
/// none does.
std::vector<Mapping> Tracer::mappings_of_threads(pid_t pid) const {
  std::error_code problem;
  for (std::filesystem::directory_iterator entry(proc_.path(pid, "task"), problem), end;
       !problem && entry != end; entry.increment(problem)) {
    const auto maps = proc_.read(pid, "task/" + entry->path().filename().string() + "/maps");
    if (maps && !maps->empty())
      return parse_mappings(*maps);
  }
  return {};
}

/// Of a process that has no main thread the kernel takes the breakpoints out as soon as anybody's
/// probes at the same places go (the filter of a multi link asks for the main thread's memory).
/// Those that are for every process stay.
void Tracer::move_to_shared_probes(TargetState& target) {
  const pid_t pid = target.process.pid;
  const auto mappings = mappings_of_threads(pid);
  if (frozen_ || !seccomp_.are_harmless())
    return;
  attachments_.share(pid);
  const auto attached = attach_to(pid, mappings, target.python);
  const HeapWindows::Index group = windows_.sharing_group();
  // In a container its files cannot be opened through it any more.
  if (!attached || !attachments_.has_probes(pid) || !kernel_.share_target(pid, group)) {
    attachments_.detach(pid); // what it has of its own stays
    return;
  }
  attachments_.drop_own(pid);
  windows_.remove(target.group, target.id);
  target.group = group;
  groups_used_.insert(group);
  windows_.add(group, target.id, pid);
  windows_.start(group);
  if (target.python.process)
    attach_python_hooks(target);
}

bool Tracer::looks_at_all() const {
  return looked_at_.size() >= living_targets();
}

} // namespace leakbpf
