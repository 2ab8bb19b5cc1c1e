// SPDX-License-Identifier: Apache-2.0
#include "session/tracer.h"

#include "base/descriptor_limit.h"
#include "python/evaluation_code.h"
#include "session/resident_rows.h"
#include "session/trace_setup.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <poll.h>

namespace leakbpf {

Tracer::Tracer(const ProcFs& proc, TraceOptions options, BackendCheck backend, KernelSide kernel,
               std::unique_ptr<UnwindService> unwind)
    : proc_(proc), options_(std::move(options)), backend_(std::move(backend)),
      kernel_(std::move(kernel)), unwind_(std::move(unwind)),
      attachments_(proc_, kernel_, options_.hints),
      seccomp_(proc_, backend_.backend, options_.check_seccomp),
      left_out_(options_.warn, own_losses_[LEAKBPF_LOSS_TARGETS_NOT_ATTACHED]),
      windows_({proc_, kernel_, kernel_, attachments_, options_.limits, backend_.hit_ns / 2 / 1e9,
                [this] { return elapsed(); },
                [this](pid_t pid, const Error& error) { left_out_.tell(pid, error); },
                options_.warn}),
      targets_(proc_, kernel_),
      probes_(
          {proc_, options_, backend_.backend, kernel_, *unwind_, attachments_, seccomp_, windows_,
           targets_, left_out_},
          [this] { return elapsed(); },
          [this](const TargetState& target) { watch_containers(target); }),
      watch_(
          {proc_, options_, backend_.backend, kernel_, kernel_, *unwind_, attachments_, windows_,
           targets_, probes_, left_out_},
          [this] { return elapsed(); },
          [this](std::uint32_t id) {
            holders_.end(id);
            rooms_.end(id);
          }),
      namer_(proc_, [this](std::uint32_t target,
                           std::uint64_t address) { return kernel_.code_deaths(target, address); }),
      locator_({proc_, kernel_, *unwind_, attachments_, namer_, stacks_, targets_, probes_,
                own_losses_, options_.kernel.heap}),
      traced_(targets_, ended_, locator_, [this] { return elapsed(); }),
      ledger_(kernel_, stacks_, traced_),
      scanner_({proc_, kernel_, kernel_, windows_, growth_, ledger_, locator_, targets_, probes_,
                options_.kernel.pages, traced_, ended_},
               [this] { return elapsed(); }),
      reach_({proc_, kernel_, growth_, ledger_, locator_, targets_, options_.reach},
             [this] { return elapsed(); }),
      rooms_(proc_), pages_({proc_, options_, kernel_, growth_, attachments_, targets_, rooms_}),
      sampler_({proc_, targets_, watch_, growth_, ledger_, pages_, rooms_, options_.kernel.pages}),
      labels_(stacks_, namer_, proc_, {options_.group_by, options_.suppressions, options_.filter},
              {[this](const SiteKey& site) { return locator_.locate_unknown(site); },
               [this](std::uint32_t target) { return comm_of(target); }}),
      rows_(ledger_, growth_, [this](const SiteKey& site) { return reach_.verdict(site); }),
      judge_(growth_, rows_), holders_(options_.show_keys, [this] { return elapsed(); }),
      holder_rows_({options_, kernel_, holders_, growth_, ledger_, stacks_, targets_, locator_,
                    namer_, labels_, judge_}),
      taker_({options_, backend_.backend, kernel_, windows_, targets_, probes_, ended_, ledger_,
              scanner_, rooms_, holders_, namer_, own_losses_},
             [this] { return elapsed(); }),
      settlement_({targets_, ended_, ledger_, stacks_, locator_, namer_, labels_, growth_, rows_,
                   judge_, holders_, rooms_, taker_, own_losses_[LEAKBPF_LOSS_TARGETS_EVICTED]}),
      maker_({options_.group_by, !options_.suppressions.rules().empty(), options_.min_age_seconds},
             ledger_, growth_, ended_, rows_, judge_, labels_, holder_rows_) {}

Tracer::~Tracer() {
  try {
    freeze();
  } catch (const std::exception&) { // without memory; the probes go with their links
  }
}

Result<std::unique_ptr<Tracer>> Tracer::start(const ProcFs& proc, TraceOptions options) {
  auto wanted = wanted_processes(proc, options);
  if (!wanted)
    return wanted.error();
  if (auto able = check_preconditions(); !able)
    return able.error();
  raise_descriptor_limit(); // perf events need one for each probe
  auto backend = choose_backend(options.backend);
  if (!backend)
    return backend.error();
  options.kernel.backend = backend->backend;
  PageFaults page_faults = open_page_faults(options.kernel); // first: then rights are given up
  options.backend_chosen(backend->backend);
  configure_kernel(options, wanted->resident_bytes);
  auto kernel = KernelSide::load(options.kernel);
  if (!kernel)
    return kernel.error();
  kernel->keep_page_faults(std::move(page_faults));
  if (auto followed = PagesOnDemand::follow_asked(*kernel, options); !followed)
    return followed.error();
  auto unwind = UnwindService::start(proc, kernel->unwind_maps(), options.kernel.max_frames,
                                     options.python ? TableMarker(mark_python) : TableMarker());
  if (!unwind)
    return unwind.error();
  std::unique_ptr<Tracer> tracer(new Tracer(proc, std::move(options), std::move(*backend),
                                            std::move(*kernel), std::move(*unwind)));
  tracer->started_ = Clock::now();
  tracer->taker_.set_start(rfc3339(static_cast<std::uint64_t>(time(nullptr))));
  if (auto followed = tracer->watch_.follow_all(wanted->pids); !followed)
    return followed.error();
  tracer->started_ = Clock::now();
  for (const auto& [id, target] : tracer->targets_)
    tracer->windows_.start(target.group);
  tracer->options_.attached();
  tracer->watch_.tell_begin();
  tracer->inform_of_tables();
  return tracer;
}

void Tracer::watch_containers(const TargetState& target) {
  if (options_.held && target.python.process && !holders_.has(target.id))
    holders_.add(proc_, target.id, target.process.pid, *target.python.process);
}

void Tracer::attach_file(pid_t pid, const std::string& path) {
  watch_.attach_file(pid, path);
}

/// What stacks will lack, before they do.
void Tracer::inform_of_tables() {
  const TableLoaderStats stats = unwind_->stats();
  if (stats.files_without_table > 0 || stats.damaged_functions > 0)
    options_.inform(fmt::format("{} of {} files have no unwind table, {} functions in the others "
                                "have damaged entries: `leakbpf doctor -p PID` shows which",
                                stats.files_without_table, stats.files, stats.damaged_functions));
}

double Tracer::elapsed() const {
  return std::chrono::duration<double>(Clock::now() - started_).count();
}

bool Tracer::all_ended() const {
  return !options_.selection.takes_new() && targets_.living() == 0;
}

bool Tracer::run_until(double deadline, int interrupt_fd) {
  for (;;) {
    follow_events();
    take_finished_stacks();
    watch_.attach_pending();
    watch_.look_for_targets();
    windows_.run();
    holders_.start();
    double until = std::min(deadline, windows_.next_run());
    for (const auto& pending : watch_.pending())
      until = std::min(until, pending.due);
    const double wait = until - elapsed();
    if (all_ended() || elapsed() >= deadline)
      return !all_ended();
    std::array<pollfd, 3> fds{pollfd{kernel_.events_fd(), POLLIN, 0},
                              pollfd{interrupt_fd, POLLIN, 0},
                              pollfd{unwind_->finished_fd(), POLLIN, 0}};
    poll(fds.data(), fds.size(), std::max(1, static_cast<int>(wait * 1000)));
    if (fds[1].revents != 0)
      return false;
  }
}

/// Stacks are looked at last: a code object of Python's that is in one may have died meanwhile, and
/// its record come behind.
void Tracer::follow_events() {
  kernel_.consume_events([this](const leakbpf_event& event) { handle(event); });
  for (const leakbpf_event& event : std::exchange(new_stacks_, {}))
    locator_.look_at(event);
}

void Tracer::handle(const leakbpf_event& event) {
  TargetState* target = targets_.find(event.target);
  switch (event.type) {
  case LEAKBPF_EVENT_NEW_STACK:
    new_stacks_.push_back(event);
    break;
  case LEAKBPF_EVENT_CODE_DIED:
    if (target && target->python.process)
      namer_.python_code_died(target->id, *target->python.process,
                              reinterpret_cast<const leakbpf_dead_code&>(event));
    break;
  case LEAKBPF_EVENT_APPEARED:
    watch_.on_appeared(static_cast<pid_t>(event.tgid));
    break;
  case LEAKBPF_EVENT_FORK:
    watch_.on_fork(event);
    break;
  case LEAKBPF_EVENT_EXEC:
    watch_.on_exec(event);
    break;
  case LEAKBPF_EVENT_EXIT:
    watch_.on_exit(event.target, describe_wait_status(static_cast<std::uint32_t>(event.argument)));
    break;
  case LEAKBPF_EVENT_RANGE_TAKE:
    if (!target)
      break;
    target->ranges->begin_take(event.tid, event.address, event.length);
    forget_mapped_block(*target, event);
    break;
  case LEAKBPF_EVENT_RANGE_DONE:
    if (!target)
      break;
    target->ranges->finish_take(event.tid, event.argument != 0);
    target->ranges->add(event.address, event.length,
                        {event.stack_hash, LEAKBPF_KIND_MMAP, event.time_ns});
    if (event.length != 0)
      forget_mapped_block(*target, event);
    if (event.argument == LEAKBPF_RANGE_RESERVED)
      stacks_.mark_reserving(event.stack_hash);
    break;
  case LEAKBPF_EVENT_BREAK:
    if (!target)
      break;
    if (event.address > event.argument)
      target->ranges->add(event.argument, event.address - event.argument,
                          {event.stack_hash, LEAKBPF_KIND_BRK, event.time_ns});
    else
      target->ranges->remove(event.address, event.argument - event.address);
    break;
  default:
    break;
  }
}

/// A block in a mapping of its own that was given back, or grew, while no window was open.
void Tracer::forget_mapped_block(const TargetState& target, const leakbpf_event& event) {
  if (!windows_.state(target.group).limited)
    return;
  const leakbpf_block_key place{event.address + LEAKBPF_MAPPED_BLOCK_OFFSET, target.id,
                                LEAKBPF_KIND_HEAP};
  if (const auto block = kernel_.block_at(place); block && block->time_ns < event.time_ns)
    scanner_.give_back({place, *block});
}

void Tracer::take_finished_stacks() {
  locator_.take_finished([this](std::uint32_t target) { return ended_.contains(target); });
}

void Tracer::freeze() {
  const bool again = std::exchange(frozen_, true);
  probes_.freeze();
  watch_.freeze();
  traced_.freeze();
  taker_.freeze();
  for (const auto& [id, target] : targets_)
    if (target.alive())
      kernel_.stop_target(target.process.pid);
  windows_.finish();
  for (auto& [id, target] : targets_)
    if (target.alive())
      probes_.take_out(target);
  unwind_->drain();
  follow_events();
  take_finished_stacks();
  if (!again)
    holders_.explain_all();
  reach_.finish();
}

/// They stay as they are while a sample or a report is made: there are thousands of sites to a
/// target.
void Tracer::note_windows() {
  for (auto& [id, target] : targets_) {
    const double uncovered = target.window.uncovered_seconds;
    target.window = windows_.state(target.group);
    if (!target.alive()) // its time goes on no more
      target.window.uncovered_seconds = uncovered;
  }
}

void Tracer::sample() {
  follow_events();
  take_finished_stacks();
  watch_.look_at_living();
  note_windows();
  scanner_.read(); // first: it says what Python's pools hold
  ledger_.read();
  sampler_.sample(elapsed());
  if (options_.reach || options_.reach_if_cheap)
    reach_.look();
  attachments_.drop_unused();
  settlement_.settle();
  settlement_.evict();
}

void Tracer::sample_whole() {
  scanner_.hurry();
  sample();
}

std::string Tracer::comm_of(std::uint32_t target) const {
  const EndedTarget* const ended = ended_.find(target);
  return ended ? ended->report.comm : targets_.at(target).process.comm;
}

/// Each is told of once.
void Tracer::note_changed_files(Report& report) {
  std::set<std::string> changed = unwind_->stats().changed_files;
  changed.merge(namer_.changed_files());
  for (const std::string& file : changed)
    if (changed_files_.insert(file).second)
      options_.warn(fmt::format(
          "{} changed while it was being read: its functions have no names, or stacks end there",
          file));
  report.losses[LEAKBPF_LOSS_CHANGED_FILES] = changed_files_.size();
}

Report Tracer::report(std::size_t rows, const SiteOrder& order) {
  note_windows();
  Report report = maker_.make(taker_.take(), rows, order, [this](std::vector<SiteReport>& sites) {
    measure_resident(proc_, targets_, locator_, sites);
  });
  note_changed_files(report); // names are found by now
  namer_.rest();
  if (rows == 0) // no table shows it
    report.history = sampler_.history();
  return report;
}

} // namespace leakbpf
