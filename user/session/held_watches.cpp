// SPDX-License-Identifier: Apache-2.0
#include "session/held_watches.h"

#include "base/clocks.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

namespace leakbpf {

namespace {

constexpr double sample_seconds = 1;
/// At first a short run wants points.
constexpr double begin_seconds = 20;
constexpr double begin_sample_seconds = 0.5;
constexpr double scan_seconds = 10;
/// Small containers are watched once they were seen to grow from one scan to the next, and numbers
/// of objects are known from scans alone.
constexpr unsigned early_scans = 12;
constexpr double early_seconds = 2.5;
constexpr double early_shares = 2; ///< times the share that later ones may take
constexpr double explain_seconds = 5;
/// Of a core, for scans and for finding out, each.
constexpr double most_held_share = 0.01;

} // namespace

HeldWatches::~HeldWatches() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable())
    thread_.join();
}

void HeldWatches::add(const ProcFs& proc, std::uint32_t target, pid_t pid,
                      const PythonProcess& python) {
  const auto watched = std::make_shared<Watched>();
  auto made = HeldWatch::make(proc, pid, python);
  if (made) {
    watched->watch = std::move(*made);
    watched->watch->show_keys(show_keys_);
    watched->living = true;
  } else {
    watched->problem = made.error().message;
  }
  const std::scoped_lock lock(mutex_);
  watches_[target] = watched;
  wake_.notify_all();
}

HeldWatches::Shared HeldWatches::find(std::uint32_t target) const {
  const std::scoped_lock lock(mutex_);
  const auto found = watches_.find(target);
  return found == watches_.end() ? nullptr : found->second;
}

void HeldWatches::end(std::uint32_t target) {
  const Shared watched = find(target);
  if (!watched)
    return;
  const std::scoped_lock lock(watched->busy);
  if (!watched->watch)
    return;
  watched->last = watched->watch->findings();
  watched->watch.reset();
  watched->living = false;
}

void HeldWatches::settle(std::uint32_t target) {
  end(target);
  const std::scoped_lock lock(mutex_);
  const auto found = watches_.find(target);
  if (found != watches_.end() && found->second->last.empty())
    watches_.erase(found);
}

bool HeldWatches::has(std::uint32_t target) const {
  return find(target) != nullptr;
}

std::vector<std::uint32_t> HeldWatches::targets() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::uint32_t> targets;
  targets.reserve(watches_.size());
  for (const auto& [target, watched] : watches_)
    targets.push_back(target);
  return targets;
}

void HeldWatches::start() {
  const std::scoped_lock lock(mutex_);
  if (!watches_.empty() && !thread_.joinable())
    thread_ = std::thread([this] { work(); });
}

void HeldWatches::work() {
  try {
    work_until_stopped();
  } catch (const std::bad_alloc&) {
    const std::scoped_lock lock(mutex_);
    out_of_memory_ = true;
  }
}

void HeldWatches::work_until_stopped() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    const double now = clock_();
    const auto [watched, job] = next_job(now);
    if (!watched) {
      const double wait = std::clamp(next_due() - now, 0.01, 1.0);
      wake_.wait_for(lock, std::chrono::duration<double>(wait));
      continue;
    }
    lock.unlock();
    {
      const std::scoped_lock busy(watched->busy);
      if (watched->watch)
        (this->*job)(*watched);
    }
    lock.lock();
  }
}

/// Sizes first: they are due often and cost little.
std::pair<HeldWatches::Shared, HeldWatches::Job> HeldWatches::next_job(double now) const {
  for (const auto& [target, watched] : watches_)
    if (watched->living && watched->scans > 0 && now >= watched->next_sample)
      return {watched, &HeldWatches::sample};
  for (const auto& [target, watched] : watches_) {
    if (!watched->living)
      continue;
    if (now >= watched->next_scan)
      return {watched, &HeldWatches::scan};
    if (now >= watched->next_explain)
      return {watched, &HeldWatches::explain};
  }
  return {nullptr, nullptr};
}

double HeldWatches::next_due() const {
  double next = 1e18;
  for (const auto& [target, watched] : watches_)
    if (watched->living)
      next = std::min({next, watched->next_sample, watched->next_scan, watched->next_explain});
  return next;
}

void HeldWatches::sample(Watched& watched) {
  const double t = clock_();
  watched.watch->sample(t);
  watched.next_sample = t + (t < begin_seconds ? begin_sample_seconds : sample_seconds);
}

void HeldWatches::scan(Watched& watched) {
  const double begin = clock_();
  const double cpu_begin = cpu_seconds(); // that others want the CPUs costs nothing
  watched.watch->scan(begin);
  watched.unread = watched.watch->counts().unread();
  note_problem(watched);
  const bool early = watched.scans++ < early_scans;
  if (watched.scans == 1)
    watched.next_explain = begin + explain_seconds;
  // The first one finds out about all types, which later ones need not.
  const double cost = cpu_seconds() - cpu_begin;
  const double pause = watched.scans == 1 ? 0 : pause_after(early ? cost / early_shares : cost);
  watched.next_scan = begin + std::max(early ? early_seconds : scan_seconds, pause);
}

void HeldWatches::note_problem(Watched& watched) {
  const std::scoped_lock lock(mutex_);
  if (watched.watch->finds_objects())
    watched.problem.clear();
  else
    watched.problem = "no container could be read: Python's objects are neither in its own "
                      "allocator's pools nor in glibc's chunks";
}

void HeldWatches::explain(Watched& watched) {
  const double begin = clock_();
  const double cpu_begin = cpu_seconds();
  watched.watch->explain(begin);
  watched.next_explain = begin + std::max(explain_seconds, pause_after(cpu_seconds() - cpu_begin));
}

/// So long that this cost, and that of all other targets, stays below its share.
double HeldWatches::pause_after(double cost) const {
  const std::scoped_lock lock(mutex_);
  return cost * static_cast<double>(watches_.size()) / most_held_share;
}

void HeldWatches::explain_all() {
  for (const std::uint32_t target : targets())
    if (const Shared watched = find(target)) {
      const std::scoped_lock lock(watched->busy);
      if (!watched->watch)
        continue;
      const double t = clock_();
      watched->watch->scan(t);
      watched->watch->sample(t);
      watched->watch->explain(t);
      watched->last = watched->watch->findings(); // the thread may be reading when it is asked for
    }
}

std::vector<HeldFinding> HeldWatches::findings(std::uint32_t target) const {
  const Shared watched = find(target);
  if (!watched)
    return {};
  {
    const std::scoped_lock lock(mutex_);
    if (out_of_memory_)
      throw std::bad_alloc();
  }
  const std::unique_lock lock(watched->busy, std::try_to_lock);
  if (lock && watched->watch)
    watched->last = watched->watch->findings();
  return watched->last;
}

std::uint64_t HeldWatches::unread() const {
  const std::scoped_lock lock(mutex_);
  std::uint64_t unread = 0;
  for (const auto& [target, watched] : watches_)
    unread += watched->unread;
  return unread;
}

std::string HeldWatches::problem(std::uint32_t target) const {
  const std::scoped_lock lock(mutex_);
  const auto found = watches_.find(target);
  return found == watches_.end() ? "" : found->second->problem;
}

} // namespace leakbpf
