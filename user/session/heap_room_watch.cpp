// SPDX-License-Identifier: Apache-2.0
#include "session/heap_room_watch.h"

#include "base/clocks.h"
#include "session/target_state.h"
#include "target/memory_usage.h"

#include <algorithm>
#include <new>
#include <system_error>

namespace leakbpf {

namespace {

constexpr double least_room_pause = 3;   ///< seconds from one look at a target to the next
constexpr double most_room_share = 0.01; ///< of a core, for all
constexpr double followed_seconds = 30;

} // namespace

void HeapRoomWatch::follow(std::uint32_t target, const ProcessInfo& process, double now) {
  const auto [followed, is_new] = targets_.try_emplace(target);
  if (is_new)
    followed->second.process = process;
  followed->second.until = now + followed_seconds;
}

void HeapRoomWatch::end(std::uint32_t target) {
  if (const auto known = targets_.find(target); known != targets_.end())
    known->second.ended = true;
}

void HeapRoomWatch::look(double now, const OutstandingOf& outstanding) {
  if (looking_ && looking_->is_done())
    take(now);
  if (!looking_ && now >= next_)
    begin(now, outstanding);
}

/// A program that was begun anew in between has another heap.
HeapRoomWatch::Look HeapRoomWatch::look_at(const ProcFs& proc, const ProcessInfo& process) {
  const double begin = cpu_seconds();
  Look look;
  const LiveMemory memory(process.pid);
  const LivePages pages(proc.path(process.pid, "pagemap"));
  if (const auto mappings = proc.mappings(process.pid))
    look.room = measure_heap_room(memory, pages, *mappings);
  if (const auto usage = read_memory_usage(proc, process.pid))
    look.memory = usage->anonymous + usage->swap;
  if (!is_image_of(process, proc.stat(process.pid)) || look.memory == 0)
    look.room.reset();
  look.cost = cpu_seconds() - begin;
  return look;
}

/// The one that waits longest.
std::pair<const std::uint32_t, HeapRoomWatch::Followed>* HeapRoomWatch::next_target(double now) {
  std::pair<const std::uint32_t, Followed>* next = nullptr;
  for (auto& each : targets_) {
    const Followed& target = each.second;
    if (!target.ended && now < target.until && now >= target.next &&
        (!next || target.next < next->second.next))
      next = &each;
  }
  return next;
}

/// The thread may be left behind: all that it uses is its own.
void HeapRoomWatch::begin(double now, const OutstandingOf& outstanding) {
  auto* const next = next_target(now);
  if (!next)
    return;
  looking_at_ = next->first;
  known_.seconds = now;
  const Outstanding bytes = outstanding(next->first);
  known_.outstanding = static_cast<double>(bytes.in_heap);
  known_.of_all_kinds = static_cast<double>(bytes.of_all_kinds);
  next->second.next = now + least_room_pause;
  try {
    looking_.emplace(
        [proc = proc_, process = next->second.process] { return look_at(proc, process); });
  } catch (const std::system_error&) { // no thread can be had: all else goes on
    looking_.reset();
  }
}

void HeapRoomWatch::take(double now) {
  try {
    const Look look = looking_->take();
    next_ = now + look.cost / most_room_share;
    const auto target = targets_.find(looking_at_);
    if (target != targets_.end() && !target->second.ended && look.room) {
      known_.room = static_cast<double>(look.room->free_bytes);
      known_.used = static_cast<double>(look.room->used_bytes);
      known_.memory = static_cast<double>(look.memory);
      target->second.history.add(known_);
    }
  } catch (const std::bad_alloc&) { // nothing is known then
  }
  looking_.reset();
}

std::optional<RoomGrowth> HeapRoomWatch::growth(std::uint32_t target) const {
  const auto found = targets_.find(target);
  return found == targets_.end() ? std::nullopt : found->second.history.growth();
}

} // namespace leakbpf
