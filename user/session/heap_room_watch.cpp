// SPDX-License-Identifier: Apache-2.0
#include "session/heap_room_watch.h"

#include "base/clocks.h"

#include <algorithm>
#include <new>
#include <system_error>

namespace leakbpf {

namespace {

constexpr double least_pause = 3;   ///< seconds from one look to the next
constexpr double most_share = 0.01; ///< of a core

} // namespace

void HeapRoomWatch::end(std::uint32_t target) {
  if (const auto known = targets_.find(target); known != targets_.end())
    known->second.pid = 0;
}

void HeapRoomWatch::look(double seconds,
                         const std::unordered_map<std::uint32_t, std::uint64_t>& outstanding) {
  if (looking_ && looking_->is_done())
    take(seconds);
  if (!looking_ && seconds >= next_)
    begin(seconds, outstanding);
}

HeapRoomWatch::Look HeapRoomWatch::look_at(const ProcFs& proc, pid_t pid) {
  const double begin = cpu_seconds();
  Look look;
  const LiveMemory memory(pid);
  const LivePages pages(proc.path(pid, "pagemap"));
  if (const auto mappings = proc.mappings(pid))
    look.room = measure_heap_room(memory, pages, *mappings);
  if (const auto memory = proc.resident_bytes(pid))
    look.memory = *memory;
  look.cost = cpu_seconds() - begin;
  return look;
}

/// The one that waits longest.
std::pair<const std::uint32_t, HeapRoomWatch::Followed>* HeapRoomWatch::next_target() {
  std::pair<const std::uint32_t, Followed>* next = nullptr;
  for (auto& each : targets_)
    if (each.second.pid != 0 && (!next || each.second.looked_at < next->second.looked_at))
      next = &each;
  return next;
}

/// The thread may be left behind: it has a ProcFs of its own.
void HeapRoomWatch::begin(double seconds,
                          const std::unordered_map<std::uint32_t, std::uint64_t>& outstanding) {
  auto* const next = next_target();
  if (!next)
    return;
  const auto bytes = outstanding.find(next->first);
  looked_at_ = next->first;
  known_.seconds = next->second.looked_at = seconds;
  known_.outstanding = bytes == outstanding.end() ? 0 : static_cast<double>(bytes->second);
  next_ = seconds + least_pause;
  try {
    looking_.emplace([proc = proc_, pid = next->second.pid] { return look_at(proc, pid); });
  } catch (const std::system_error&) { // no thread can be had: all else goes on
    looking_.reset();
  }
}

void HeapRoomWatch::take(double seconds) {
  try {
    const Look look = looking_->take();
    next_ = std::max(next_, seconds + look.cost / most_share);
    const auto target = targets_.find(looked_at_);
    if (target != targets_.end() && target->second.pid != 0 && look.room && look.memory > 0) {
      known_.free_bytes = static_cast<double>(look.room->free_bytes);
      known_.used_bytes = static_cast<double>(look.room->used_bytes);
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
