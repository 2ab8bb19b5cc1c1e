// SPDX-License-Identifier: Apache-2.0
#include "session/held_tracing.h"

#include "core/held_grouping.h"
#include "report/target_memory.h"
#include "session/held_rows.h"
#include "session/target_state.h"
#include "version.h"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>
#include <poll.h>

namespace leakbpf {

namespace {

constexpr double held_look_seconds = 1;
constexpr double look_share = 0.01; // of a core

Error no_python_error(const ProcessInfo& process, const std::string& problem) {
  return Error{
      ExitCode::no_target,
      problem.empty() ? fmt::format("PID {} ({}) does not run Python", process.pid, process.comm)
                      : fmt::format("PID {} ({}): {}", process.pid, process.comm, problem),
      "--kinds held reads the objects of CPython 3.8 to 3.14; the other kinds trace any program"};
}

} // namespace

HeldTracing::HeldTracing(const ProcFs& proc, TraceOptions options)
    : proc_(proc), options_(std::move(options)),
      started_at_(rfc3339(static_cast<std::uint64_t>(time(nullptr)))),
      holders_(options_.show_keys, [this] { return elapsed(); }), limits_(proc_), sources_(proc_) {}

Result<std::unique_ptr<Tracing>> HeldTracing::start(const ProcFs& proc, TraceOptions options) {
  std::unique_ptr<HeldTracing> tracing(new HeldTracing(proc, std::move(options)));
  const TraceOptions& wanted = tracing->options_;
  for (const pid_t pid : wanted.pids)
    if (auto followed = tracing->follow(pid, true); !followed)
      return followed.error();
  for (const pid_t pid : wanted.selection.matching(proc))
    if (!tracing->is_followed(pid))
      static_cast<void>(tracing->follow(pid, false));
  if (tracing->targets_.empty() && !wanted.selection.takes_new())
    return Error{ExitCode::no_target, "none of the processes runs a supported Python", ""};
  wanted.attached();
  for (const auto& [id, target] : tracing->targets_)
    wanted.inform(fmt::format("tracing PID {} ({}): no probes; its objects are read from outside",
                              target.process.pid, target.process.comm));
  return std::unique_ptr<Tracing>(std::move(tracing));
}

double HeldTracing::elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
}

bool HeldTracing::is_followed(pid_t pid) const {
  return std::any_of(targets_.begin(), targets_.end(), [&](const auto& known) {
    return known.second.process.pid == pid && !known.second.ended;
  });
}

/// `named`: by its PID; else it belongs to a selection, and is none of ours without a Python.
Result<void> HeldTracing::follow(pid_t pid, bool named) {
  auto process = inspect_process(proc_, pid);
  if (!process)
    return process.error();
  const auto mappings = proc_.mappings(pid);
  if (!mappings)
    return mappings.error();
  PythonSearch python = find_python(proc_, pid, *mappings);
  if (!python.version && !python.only_named)
    return no_python_error(*process, python.problem);
  if (named && !python.problem.empty() && !python.only_named)
    return no_python_error(*process, python.problem);
  const std::uint32_t id = next_id_++;
  Target& target = targets_[id];
  target.process = std::move(*process);
  target.since = elapsed();
  target.python = std::move(python);
  if (const auto usage = read_memory_usage(proc_, pid))
    target.rss_start = target.rss_now = usage->rss;
  if (target.python.process)
    holders_.add(proc_, id, pid, *target.python.process);
  if (const std::string problem = holders_.problem(id); !problem.empty() && named)
    return no_python_error(target.process, problem);
  return {};
}

/// An interpreter may be initialised, or mapped, some time after its process began.
void HeldTracing::look_for_python(std::uint32_t id, Target& target) {
  constexpr double most_seconds = 60;
  if (target.python.process || elapsed() - target.since > most_seconds)
    return;
  const auto mappings = proc_.mappings(target.process.pid);
  if (!mappings)
    return;
  target.python = find_python(proc_, target.process.pid, *mappings);
  if (target.python.process)
    holders_.add(proc_, id, target.process.pid, *target.python.process);
}

void HeldTracing::look_for_targets() {
  const double begin = elapsed();
  if (begin < next_look_)
    return;
  for (auto& [id, target] : targets_) {
    if (target.ended)
      continue;
    const auto stat = proc_.stat(target.process.pid);
    const bool runs = is_process_of(target.process, stat);
    if (runs && is_image_of(target.process, stat)) {
      look_for_python(id, target);
      continue;
    }
    target.ended = TargetEnd{runs ? "ran another program" : "ended", elapsed()};
    holders_.end(id);
  }
  for (const pid_t pid : options_.selection.matching(proc_))
    if (!is_followed(pid))
      static_cast<void>(follow(pid, false));
  next_look_ = elapsed() + std::max(held_look_seconds, (elapsed() - begin) / look_share);
}

bool HeldTracing::all_ended() const {
  return !options_.selection.takes_new() &&
         std::all_of(targets_.begin(), targets_.end(),
                     [](const auto& known) { return known.second.ended.has_value(); });
}

bool HeldTracing::run_until(double deadline, int interrupt_fd) {
  for (;;) {
    look_for_targets();
    holders_.start();
    if (all_ended() || elapsed() >= deadline)
      return !all_ended();
    const double until = std::min(deadline, next_look_);
    pollfd interrupt{interrupt_fd, POLLIN, 0};
    poll(&interrupt, 1, std::max(1, static_cast<int>((until - elapsed()) * 1000)));
    if (interrupt.revents != 0)
      return false;
  }
}

HistoryPoint HeldTracing::sample_target(std::uint32_t id, Target& target, MemoryLimitSample& limits,
                                        double now) {
  const pid_t pid = target.process.pid;
  HistoryPoint point;
  point.t_seconds = now; // the same for all: times are dropped together
  point.pid = pid;
  const auto usage = read_memory_usage(proc_, pid);
  const auto stat = proc_.stat(pid); // read after it: it is not of another program
  const bool own = is_process_of(target.process, stat) && is_image_of(target.process, stat);
  if (own && usage && usage->rss > 0) {
    target.rss_now = usage->rss;
    put_memory(growth_, id, *usage, false, point);
    point.cgroup_bytes = limits.cgroup_usage(pid);
    target.limit = limits.read(pid);
  }
  point.rss_bytes = target.rss_now;
  return point;
}

void HeldTracing::sample() {
  look_for_targets();
  const double now = elapsed();
  growth_.begin_sample(now);
  const bool keep_points = history_.begin_sample();
  MemoryLimitSample limits(limits_);
  std::size_t living = 0;
  for (auto& [id, target] : targets_) {
    if (target.ended)
      continue;
    living++;
    const HistoryPoint point = sample_target(id, target, limits, now);
    if (keep_points)
      history_.add(point);
  }
  history_.end_sample(living);
}

void HeldTracing::report_target(std::uint32_t id, const Target& target, Report& report) {
  TargetReport row = describe_process(target.process);
  row.ended = target.ended;
  row.rss_start_bytes = target.rss_start;
  row.rss_end_bytes = target.rss_now;
  PythonReport python;
  python.version = target.python.version ? to_string(*target.python.version) : "";
  python.problem = target.python.problem;
  row.python = python;
  TargetEvidence evidence;
  evidence.held_only = true;
  evidence.no_held = holders_.problem(id);
  evidence.seconds = target.ended.value_or(TargetEnd{"", elapsed()}).at_seconds - target.since;
  read_memory_trends(growth_, id, target.since, evidence);
  if (target.limit) {
    evidence.limit = limit_use(*target.limit, target.rss_now);
    row.limit = target.limit->limit;
  }
  std::vector<HeldFinding> found = holders_.findings(id);
  evidence.suppressed_rate =
      take_out(found, options_.suppressions, options_.filter, report.suppressed);
  const bool grows = evidence.memory && evidence.memory->sustained();
  drop_small(found, grows ? evidence.memory->rate : 0, 0);
  evidence.held = sure_growth(found);
  TargetJudgement judged = judge_target(evidence);
  row.verdict = std::move(judged.verdict);
  row.rss_growth_bytes_per_minute = judged.growth_bytes_per_minute;
  row.seconds_to_limit = judged.seconds_to_limit;
  row.explained_percent = judged.explained_percent;
  report.targets.push_back(std::move(row));
  add_held_rows(report, report.targets.size() - 1, std::move(found), sources_);
}

Report HeldTracing::report(std::size_t rows, const SiteOrder& /*order*/) {
  Report report;
  report.version = version;
  report.host = host_report();
  report.started_at = started_at_;
  report.duration_seconds = elapsed();
  report.backend = no_backend;
  report.sampling = {1, false};
  report.losses[LEAKBPF_LOSS_HEAP_UNREAD] = holders_.unread();
  for (const auto& [id, target] : targets_)
    report_target(id, target, report);
  arrange_held(report, options_.group_by);
  if (rows == 0)
    report.history = history_.points();
  return report;
}

} // namespace leakbpf
