// SPDX-License-Identifier: Apache-2.0
// Pages are followed from the start where that is asked for, else from when a target grows by
// memory that no allocation accounts for. Of such a target the heap is looked through for free
// room, too.
#pragma once

#include "core/growth_record.h"
#include "session/attachments.h"
#include "session/heap_room_watch.h"
#include "session/target_table.h"
#include "session/trace_options.h"

#include <cstdint>

namespace leakbpf {

class PagesOnDemand {
public:
  /// All outlive this. `options.kernel.pages_on_demand` is cleared where it turns out to be
  /// impossible.
  struct Parts {
    const ProcFs& proc;
    TraceOptions& options;
    TargetControl& control;
    const GrowthRecord& growth;
    const Attachments& attachments;
    const TargetTable& targets;
    HeapRoomWatch& rooms;
  };

  explicit PagesOnDemand(Parts parts) : of_(parts), sees_faults_(parts.options.kernel.pages) {}

  /// Without page faults the other kinds can be followed, when there are any.
  [[nodiscard]] static Result<void> follow_asked(TargetControl& control, TraceOptions& options);
  /// Pages are turned to once: a target that grows by what was allocated later has rows of that.
  void look(TargetState& target, double now, std::uint64_t outstanding_bytes);

private:
  void look_for_room(const TargetState& target, double now);
  [[nodiscard]] bool can_afford(double now) const;
  [[nodiscard]] bool turn(double now);

  Parts of_;
  bool sees_faults_;
  double next_try_ = 0;
};

} // namespace leakbpf
