// SPDX-License-Identifier: Apache-2.0
// Looks from time to time, in a thread of its own, how much room there is in the heaps of targets
// whose growth no allocation accounts for. A look reads the whole heap, so that no other target's
// is read.
#pragma once

#include "base/background.h"
#include "core/room_growth.h"
#include "reach/heap_room.h"
#include "target/proc_fs.h"
#include "target/process.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace leakbpf {

class HeapRoomWatch {
public:
  /// Bytes that were taken since the attach.
  struct Outstanding {
    std::uint64_t in_heap = 0;
    std::uint64_t of_all_kinds = 0;
  };
  /// A target's.
  using OutstandingOf = std::function<Outstanding(std::uint32_t)>;

  explicit HeapRoomWatch(const ProcFs& proc) : proc_(proc) {}

  /// The process is looked at for half a minute from now on (seconds).
  void follow(std::uint32_t target, const ProcessInfo& process, double now);
  /// It has no memory any more; what is known of it stays.
  void end(std::uint32_t target);
  void forget(std::uint32_t target) { targets_.erase(target); }
  /// Takes over what the last look told, and begins the next when one is due; `outstanding` is
  /// asked of that target alone.
  void look(double now, const OutstandingOf& outstanding);
  /// Nothing while too little is known.
  [[nodiscard]] std::optional<RoomGrowth> growth(std::uint32_t target) const;

private:
  struct Followed {
    ProcessInfo process;
    bool ended = false;
    double until = 0; ///< seconds
    double next = 0;  ///< the soonest, seconds
    RoomHistory history;
  };
  struct Look {
    std::optional<HeapRoom> room; ///< nothing: of no use
    std::uint64_t memory = 0;     ///< bytes at its end
    double cost = 0;              ///< seconds of a core
  };

  [[nodiscard]] static Look look_at(const ProcFs& proc, const ProcessInfo& process);
  [[nodiscard]] std::pair<const std::uint32_t, Followed>* next_target(double now);
  void take(double now);
  void begin(double now, const OutstandingOf& outstanding);

  const ProcFs& proc_;
  std::map<std::uint32_t, Followed> targets_;
  std::optional<Background<Look>> looking_;
  std::uint32_t looking_at_ = 0; ///< target
  HeapLook known_;               ///< of the look that is under way
  double next_ = 0;              ///< seconds; of all
};

} // namespace leakbpf
