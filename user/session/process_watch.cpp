// SPDX-License-Identifier: Apache-2.0
#include "session/process_watch.h"

#include "base/descriptor_limit.h"
#include "core/units.h"
#include "session/follow_changing.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

namespace leakbpf {

namespace {

// A new process maps its libraries during its first milliseconds.
constexpr std::array new_image_delays{0.02, 0.25};

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
Result<void> ProcessWatch::follow_all(const std::vector<pid_t>& pids) {
  if (pids.size() > TargetProbes::most_owners)
    of_.probes.share_all();
  std::optional<Error> first_error;
  for (const pid_t pid : pids) {
    const bool named =
        std::find(of_.options.pids.begin(), of_.options.pids.end(), pid) != of_.options.pids.end();
    const auto followed = follow_changing(of_.proc, pid, [&] { return follow(pid, named); });
    if (followed)
      continue;
    first_error = first_error.value_or(followed.error());
    if (const auto stat = of_.proc.stat(pid))
      refused_[{pid, stat->start_ticks}]++;
    if (!of_.left_out.count(pid, followed.error()) &&
        (pids.size() > 1 || of_.options.selection.takes_new()))
      of_.options.warn(followed.error().message);
  }
  if (of_.targets.empty() && (of_.left_out.any() || !of_.options.selection.takes_new()))
    return !of_.left_out.any() ? *first_error : descriptor_shortage(EMFILE);
  of_.left_out.tell_all(pids.size());
  return {};
}

/// One line for each target, as long as they fit on a screen.
void ProcessWatch::tell_begin() {
  if (of_.targets.empty())
    of_.options.inform("waiting for a process that matches");
  if (of_.targets.size() <= TargetProbes::most_owners) {
    for (const auto& [id, target] : of_.targets)
      of_.options.inform(target.begin);
    return;
  }
  of_.options.inform(fmt::format("tracing {} processes: {} for all of them", of_.targets.size(),
                                 describe_probes(begin_, of_.backend)));
}

/// `named`: by its PID; else it belongs to a selection.
Result<void> ProcessWatch::follow(pid_t pid, bool named) {
  auto process = inspect_process(of_.proc, pid);
  if (!process)
    return process.error();
  if (auto allowed = of_.probes.allow(*process); !allowed)
    return allowed.error();
  auto mappings = of_.proc.mappings(pid);
  if (!mappings)
    return mappings.error();
  of_.unwind.prepare(pid);
  PythonSearch python;
  if (of_.options.python)
    python = find_python(of_.proc, pid, *mappings);
  const HeapWindows::Index group = of_.probes.join_group(pid);
  auto attached = of_.probes.attach(pid, *mappings, python);
  // One that was not named by its PID may have only begun to map its files.
  if (attached && named && !of_.attachments.has_probes(pid) && !of_.options.kernel.pages)
    attached = no_allocator_error(*process, of_.options.kernel);
  if (!attached) {
    of_.attachments.detach(pid);
    return attached.error();
  }
  auto id = of_.control.start_target(pid, group, of_.attachments.is_sharing(pid),
                                     python.process ? &python.process->layout.walk : nullptr);
  if (!id) {
    of_.attachments.detach(pid);
    return id.error();
  }
  of_.unwind.describe_space(*id, pid); // of a target that starts, space and id are the same
  TargetState& target = add_target(*id, pid, group, {}, std::move(python));
  target.asked_for = true;
  target.begin = fmt::format("tracing PID {} ({}): {}", pid, target.process.comm,
                             describe_probes(*attached, of_.backend));
  begin_.probes += attached->probes;
  begin_.files += attached->files;
  return {};
}

void ProcessWatch::attach_file(pid_t pid, const std::string& path) {
  of_.unwind.prepare_file(path); // the command may have ended before its first stack is looked at
  const auto attached = of_.attachments.attach_file(pid, path);
  if (!attached)
    of_.options.warn(fmt::format("what the command allocates while it starts may be missing: {}",
                                 attached.error().message));
}

TargetState& ProcessWatch::add_target(std::uint32_t id, pid_t pid, std::uint32_t group,
                                      std::optional<std::uint64_t> start_stack,
                                      PythonSearch python) {
  TargetState& target = of_.targets.add(id);
  target.since = clock_();
  target.before = of_.counts.activity(id);
  target.process.pid = pid;
  of_.probes.add_to_group(target, group);
  if (auto process = insist_on_inspecting(of_.proc, pid))
    target.process = std::move(*process);
  else if (const auto stat = of_.proc.stat(pid)) { // it has ended, and was not collected yet
    target.process.comm = stat->comm;
    target.process.ppid = stat->ppid;
    target.process.start_ticks = stat->start_ticks;
  }
  target.process.pid = pid; // again: all of it may have been read anew
  target.process.start_stack = start_stack.value_or(target.process.start_stack);
  if (auto resident = of_.proc.resident_bytes(pid))
    target.rss_start = target.rss_now = *resident;
  start_range_map(target);
  if (python.version || python.only_named)
    of_.probes.take_python(target, std::move(python));
  of_.probes.refresh(target);
  return target;
}

void ProcessWatch::on_fork(const leakbpf_event& event) {
  const auto pid = static_cast<pid_t>(event.tgid);
  const TargetState* parent = of_.targets.find(event.peer_target);
  TargetState& child = add_target(event.target, pid, of_.probes.group_of_child(pid, parent),
                                  event.address, parent ? parent->python : PythonSearch{});
  if (parent) {
    child.inherit_mappings(*parent);
    // What was read may be of the program that it runs by now.
    if (child.process.executable.empty() || !of_.targets.has_image(child))
      child.inherit_description(*parent);
  }
  of_.unwind.describe_space(event.target, pid);
  await_mappings(pid);
}

void ProcessWatch::on_exec(const leakbpf_event& event) {
  const auto pid = static_cast<pid_t>(event.tgid);
  TargetState* before = of_.targets.find(event.peer_target);
  if (before) {
    end_target(*before, "ran another program (exec)");
    of_.windows.remove(before->group, before->id);
  }
  TargetState& image = add_target(
      event.target, pid, before ? before->group : of_.windows.sharing_group(), event.address);
  if (before && image.process.ppid == 0) // it has ended by now
    image.process.ppid = before->process.ppid;
  await_mappings(pid);
}

void ProcessWatch::end_target(TargetState& target, std::string how) {
  of_.targets.end(target, std::move(how), clock_());
  keep_collections(target);
  ended_(target.id);
}

void ProcessWatch::keep_collections(TargetState& target) {
  target.collections = of_.counts.collections(target.id);
  if (target.collections)
    of_.counts.forget_collections(target.id);
}

void ProcessWatch::on_exit(std::uint32_t id, std::string how) {
  TargetState* target = of_.targets.find(id);
  if (!target || !target->alive())
    return;
  end_target(*target, std::move(how));
  of_.windows.remove(target->group, id);
  of_.probes.take_out(*target);
}

void ProcessWatch::attach_pending() {
  const double now = clock_();
  for (const Pending& pending : std::exchange(pending_, {})) {
    if (pending.due > now) {
      pending_.push_back(pending);
      continue;
    }
    const auto id = of_.control.target_id(pending.pid);
    TargetState* target = id ? of_.targets.find(*id) : nullptr;
    if (target && target->alive())
      of_.probes.refresh(*target);
    else if (!id && of_.options.selection.takes_new() &&
             of_.options.selection.matches(of_.proc, pending.pid))
      take_selected(pending.pid); // else it had a short life
  }
}

void ProcessWatch::await_mappings(pid_t pid) {
  for (const double delay : new_image_delays)
    pending_.push_back({clock_() + delay, pid});
}

/// A process that was selected, but not by its PID. One that cannot be traced is asked again once:
/// it may have been the machine that was short of something.
void ProcessWatch::take_selected(pid_t pid) {
  constexpr int most_refusals = 2;
  const auto stat = of_.proc.stat(pid);
  if (frozen_ || !stat)
    return;
  const std::pair process(pid, stat->start_ticks);
  if (const auto refused = refused_.find(process);
      refused != refused_.end() && refused->second >= most_refusals)
    return;
  const auto followed = follow_changing(of_.proc, pid, [&] { return follow(pid, false); });
  if (followed) {
    const auto id = of_.control.target_id(pid);
    const TargetState* target = id ? of_.targets.find(*id) : nullptr;
    if (!target)
      return; // it ended at once
    of_.windows.start(target->group);
    await_mappings(pid);
    of_.options.inform(target->begin);
    return;
  }
  refused_[process]++;
  if (is_descriptor_shortage(followed.error()))
    of_.left_out.tell(pid, followed.error());
  else
    of_.options.inform(followed.error().message);
}

/// Processes that began before an event could tell, or match by now.
void ProcessWatch::look_for_targets() {
  constexpr double scan_seconds = 2;
  constexpr double scan_share = 0.01; // of one core
  const double begin = clock_();
  if (!of_.options.selection.takes_new() || frozen_ || begin < next_scan_)
    return;
  for (const pid_t pid : of_.options.selection.matching(of_.proc))
    if (!of_.control.target_id(pid))
      take_selected(pid);
  std::erase_if(refused_, [this](const auto& refused) {
    const auto& [pid, start_ticks] = refused.first;
    const auto stat = of_.proc.stat(pid);
    return !stat || stat->start_ticks != start_ticks;
  });
  next_scan_ = clock_() + std::max(scan_seconds, (clock_() - begin) / scan_share);
}

/// Looks at the living targets, at some of them when they are many: each costs some reads of /proc.
/// Ends of processes are events, and events can be dropped; and a process can end in the moment in
/// which it becomes a target. Its PID may be another's next.
void ProcessWatch::look_at_living() {
  constexpr std::size_t most_looks = 64;
  looked_at_.clear();
  auto next = of_.targets.after(last_looked_at_);
  for (std::size_t i = 0; i < of_.targets.size() && looked_at_.size() < most_looks; i++, next++) {
    if (next == of_.targets.end())
      next = of_.targets.begin();
    auto& [id, target] = *next;
    if (!target.alive())
      continue;
    last_looked_at_ = id;
    looked_at_.push_back(id);
    const bool runs = of_.targets.still_runs(target);
    if (runs && !of_.probes.are_lost(target)) {
      of_.probes.refresh(target);
      if (of_.probes.has_lost_main_thread(target))
        of_.probes.move_to_shared(target);
      continue;
    }
    if (of_.control.target_id(target.process.pid) == id)
      of_.control.stop_target(target.process.pid);
    on_exit(id, runs ? "its main thread ended, and with it the probes (perf events)" : "ended");
  }
}

bool ProcessWatch::looks_at_all() const {
  return looked_at_.size() >= of_.targets.living();
}

} // namespace leakbpf
