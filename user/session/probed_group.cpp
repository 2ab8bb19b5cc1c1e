// SPDX-License-Identifier: Apache-2.0
#include "session/probed_group.h"

#include "core/sampling.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace leakbpf {

namespace {

// The kernel needs up to 0.1 s to take probes out.
constexpr double out_seconds = 0.2;
// Samples in a window, in those that sampling without an end would have taken in its cycle.
constexpr double least_closeness = 0.25;
constexpr double most_closeness = 16;
// With more members than these a group is looked at no more often than that, as long as nothing is
// limited.
constexpr std::size_t most_at_a_glance = 16;
constexpr double leisurely_look_seconds = 0.5;

} // namespace

ProbedGroup::ProbedGroup(const ProbingParts& parts, Index index, bool sharing)
    : of_(parts), index_(index), members_(of_.proc, of_.counts, sharing),
      cost_(of_.loop_hit_seconds, !sharing), governor_(0, index) {}

void ProbedGroup::learn_from(pid_t pid) {
  if (const auto stat = of_.proc.stat(pid))
    cost_.learn(GroupMembers::cpu_times(*stat));
}

void ProbedGroup::add(std::uint32_t target, pid_t pid) {
  members_.add(target, pid);
  if (is_sharing())
    return;
  if (!open_ && limited_)
    of_.attachments.close_heap(pid);
  if (!pools_.are_in())
    of_.attachments.close_pools(pid);
  if (!mappings_.are_in())
    of_.attachments.close_mapping_calls(pid);
}

void ProbedGroup::remove(std::uint32_t target) {
  members_.remove(target);
  if (members_.size() == 0 && open_ && !is_sharing()) { // nobody will look at it again
    end_window();
    open_ = false;
  }
}

void ProbedGroup::set_budget(double share) {
  governor_.set_budget(share);
  pools_.set_budget(share);
  mappings_.set_budget(share);
}

bool ProbedGroup::start() {
  if (std::exchange(started_, true))
    return false;
  started_at_ = changed_at_ = of_.clock();
  cost_.start(started_at_);
  find_layers();
  return true;
}

void ProbedGroup::begin_window() {
  const double now = of_.clock();
  governor_.opened(now, cost_.governed_seconds());
  const double gap = now - changed_at_;
  speed_.add_free(cost_.taken() - taken_at_change_, gap);
  taken_at_change_ = cost_.taken();
  uncovered_ += gap;
  changed_at_ = now;
  open_ = true;
  work_at_open_ = cost_.work();
  window_.number++;
  const auto planned = governor_.planned_seconds();
  window_.pool_scale =
      pools_.begin_window(planned ? std::optional(*planned * speed_.speed()) : std::nullopt);
  window_.scale = planned ? scale_of(*planned) : 1;
  // The shorter the window, the closer together its samples; and closer than that, since next to
  // the traps that are paid for in any case a sample is cheap.
  window_.row =
      planned ? sampling_row(of_.limits.mean_bytes, std::min(1.0, 1 / (closeness_ * window_.scale)))
              : 0;
  of_.control.set_window(index_, window_);
}

/// How many times itself the window stands for.
std::uint32_t ProbedGroup::scale_of(double planned_seconds) const {
  const double covered = planned_seconds * speed_.speed();
  return static_cast<std::uint32_t>(
      std::clamp(std::round((uncovered_ + covered) / covered), 1.0, double{LEAKBPF_MAX_SCALE}));
}

void ProbedGroup::end_window() {
  ended_++;
  const double now = of_.clock();
  const double length = now - changed_at_;
  const double covered = length * (governor_.is_limiting() ? speed_.speed() : 1);
  uncovered_ += covered - covered * window_.scale;
  pools_.end_window(covered);
  const double cost = cost_.seconds_of(cost_.work() - work_at_open_);
  speed_.add_probed(cost_.taken() - taken_at_change_, cost, length);
  taken_at_change_ = cost_.taken();
  open_seconds_ += length;
  changed_at_ = now;
}

/// Most is learnt for the cost when following blocks costs about as much as the traps, which are
/// paid for in any case.
void ProbedGroup::choose_closeness() {
  const ProbeWork work = cost_.work() - work_at_open_;
  const double traps = work.hits * cost_.hit_seconds();
  if (work.following_seconds > traps)
    closeness_ = std::max(closeness_ / 2, least_closeness);
  else if (work.following_seconds < traps / 4)
    closeness_ = std::min(closeness_ * 2, most_closeness);
}

void ProbedGroup::open() {
  cost_.meter(false);
  cost_.stop_metering();
  const std::vector<pid_t> owners = members_.owners();
  for (const pid_t pid : owners)
    if (auto done = of_.attachments.open_heap(pid); !done)
      of_.failed(pid, done.error());
  if (auto done = pools_.open(of_.clock(), of_.attachments, owners); !done && !owners.empty())
    of_.failed(owners.front(), done.error());
  read();
  begin_window();
  cost_.meter_from_here();
}

void ProbedGroup::close() {
  cost_.meter(true);
  cost_.stop_metering();
  leakbpf_window closed = window_;
  closed.number = 0;
  of_.control.set_window(index_, closed);
  if (limited_)
    choose_closeness();
  end_window();
  open_ = false;
  limited_ = true;
  governor_.closed(changed_at_);
  const std::vector<pid_t> owners = members_.owners();
  for (const pid_t pid : owners)
    of_.attachments.close_heap(pid);
  pools_.close(changed_at_, of_.attachments, owners);
}

/// Whether its allocators call each other shows in its first calls.
void ProbedGroup::find_layers() {
  constexpr std::uint64_t enough_calls = 2000;
  std::size_t files = 0;
  for (const pid_t pid : members_.owners())
    files = std::max(files, of_.attachments.heap_files(pid));
  const GroupMembers::Calls calls = members_.calls();
  if (files != heap_files_) { // the first time, and when another was mapped
    heap_files_ = files;
    window_.layered = files > 1 ? 1 : 0;
  } else if (window_.layered == 0 || calls.nested > 0 || calls.all < enough_calls) {
    return;
  } else {
    window_.layered = 0;
  }
  if (open_)
    of_.control.set_window(index_, window_);
}

/// At the probes that are in all the time.
void ProbedGroup::look_at_standing(double now) {
  const std::vector<pid_t> owners = members_.owners();
  pools_.look(now, open_, of_.attachments, owners);
  if (mappings_.look(now, of_.attachments, owners))
    of_.warn(fmt::format("{}: mapping calls alone exceed the overhead limit: rows of kind mmap and "
                         "brk end here (--max-overhead 0 keeps them)",
                         is_sharing()
                             ? "processes that share probes"
                             : fmt::format("PID {}", owners.empty() ? 0 : owners.front())));
}

/// A look costs some system calls for each member.
double ProbedGroup::time_of_next_look() const {
  const double now = of_.clock();
  const double next = governor_.next_look(now);
  if (members_.size() > most_at_a_glance)
    return governor_.is_limiting() ? next : std::max(next, now + leisurely_look_seconds);
  return open_ ? next : std::min({next, pools_.next_look(now), mappings_.next_look(now)});
}

void ProbedGroup::look() {
  read();
  find_layers();
  const double now = of_.clock();
  look_at_standing(now);
  const bool was_limiting = governor_.is_limiting();
  if (!open_) {
    if (!cost_.is_metering() && now - changed_at_ >= out_seconds)
      cost_.meter_from_here();
    if (governor_.should_open(now, cost_.governed_seconds()))
      open();
  } else if (governor_.should_close(now, cost_.governed_seconds())) {
    close();
  } else {
    cost_.meter(true);
    if (was_limiting && !governor_.is_limiting()) { // no end is foreseen any more
      end_window();
      uncovered_ = 0;
      begin_window();
    }
  }
  next_look_ = time_of_next_look();
}

/// What the members did since the last time.
void ProbedGroup::read() {
  if (is_sharing()) {
    read_shared();
  } else {
    const GroupMembers::Reading reading = members_.read();
    const double paid = cost_.add(reading.work, reading.taken, reading.all_read);
    if (cost_.seconds_of(reading.work) > 0) {
      pools_.add_cost(cost_.seconds_of(reading.pools) * paid);
      mappings_.add(reading.mappings, cost_.seconds_of(reading.mappings) * paid);
    }
  }
  cost_.note_time(of_.clock());
}

/// Of those who share probes, who pays most decides.
void ProbedGroup::read_shared() {
  const GroupMembers::SharedReading reading = members_.read_shared();
  const SharingBudget budget{of_.limits.per_target, of_.limits.total};
  const auto governed = [&](const std::vector<ProbeWork>& works) {
    std::vector<double> seconds;
    seconds.reserve(works.size());
    std::transform(works.begin(), works.end(), std::back_inserter(seconds),
                   [this](const ProbeWork& work) { return cost_.seconds_of(work); });
    return budget.governed_seconds(seconds);
  };
  ProbeWork mappings;
  for (const ProbeWork& work : reading.mappings_of)
    mappings += work;
  cost_.add_shared(reading.work, governed(reading.work_of));
  pools_.add_cost(governed(reading.pools_of));
  mappings_.add(mappings, governed(reading.mappings_of));
}

void ProbedGroup::finish() {
  if (!open_)
    return;
  read();
  cost_.meter(true);
  end_window();
  open_ = false;
}

WindowState ProbedGroup::state() const {
  WindowState state;
  state.unfinished = open_ && governor_.is_limiting();
  state.number = window_.number;
  state.scale = window_.scale;
  state.pool_scale = window_.pool_scale;
  state.mappings_unseen = !mappings_.are_in();
  state.mean_bytes = sampling_row_mean(of_.limits.mean_bytes, window_.row);
  state.limited = limited_;
  state.ended = ended_;
  if (limited_)
    state.uncovered_seconds = std::max(uncovered_ + (open_ ? 0 : of_.clock() - changed_at_), 0.0);
  return state;
}

double ProbedGroup::unseen_mapping_calls() const {
  return mappings_.unseen_calls(of_.clock());
}

TracingCost ProbedGroup::cost() const {
  const double now = of_.clock();
  const double traced = std::max(now - started_at_, 1e-3);
  const double open = open_seconds_ + (open_ ? now - changed_at_ : 0);
  TracingCost cost;
  cost.hits = cost_.work().hits;
  cost.share = cost_.seconds() / traced;
  cost.present_share = cost_.recent_share().value_or(cost.share);
  cost.hit_seconds = cost_.hit_seconds();
  cost.corrected = cost_.is_corrected();
  cost.duty = limited_ ? std::clamp(open / traced, 0.0, 1.0) : 1;
  return cost;
}

} // namespace leakbpf
