// SPDX-License-Identifier: Apache-2.0
// Looks from time to time, in a thread of its own, how much room there is in the heaps of targets
// whose growth no allocation accounts for. A look reads the whole heap, so that no other target's
// is read.
#pragma once

#include "base/background.h"
#include "core/room_growth.h"
#include "reach/heap_room.h"
#include "target/proc_fs.h"

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

namespace leakbpf {

class HeapRoomWatch {
public:
  explicit HeapRoomWatch(const ProcFs& proc) : proc_(proc) {}

  /// The target is looked at from now on.
  void follow(std::uint32_t target, pid_t pid) {
    targets_.try_emplace(target, Followed{pid, 0, {}});
  }
  /// It has no memory any more; what is known of it stays.
  void end(std::uint32_t target);
  void forget(std::uint32_t target) { targets_.erase(target); }
  /// Takes over what the last look told, and begins the next when it is due. `seconds`: now.
  /// `outstanding`: of each target, bytes in its heap.
  void look(double seconds, const std::unordered_map<std::uint32_t, std::uint64_t>& outstanding);
  /// Nothing while too little is known.
  [[nodiscard]] std::optional<RoomGrowth> growth(std::uint32_t target) const;

private:
  struct Followed {
    pid_t pid = 0;        ///< 0: it has ended
    double looked_at = 0; ///< seconds
    RoomHistory history;
  };
  struct Look {
    std::optional<HeapRoom> room;
    std::uint64_t memory = 0; ///< RSS at its end, bytes
    double cost = 0;          ///< seconds of a core
  };

  [[nodiscard]] static Look look_at(const ProcFs& proc, pid_t pid);
  [[nodiscard]] std::pair<const std::uint32_t, Followed>* next_target();
  void take(double seconds);
  void begin(double seconds, const std::unordered_map<std::uint32_t, std::uint64_t>& outstanding);

  const ProcFs& proc_;
  std::map<std::uint32_t, Followed> targets_;
  std::optional<Background<Look>> looking_;
  std::uint32_t looked_at_ = 0; ///< target
  RoomLook known_;              ///< of the look that is under way
  double next_ = 0;             ///< seconds
};

} // namespace leakbpf
