// SPDX-License-Identifier: Apache-2.0
// The targets that are not settled: images of processes, living and ended.
#pragma once

#include "kernel/target_control.h"
#include "session/target_state.h"
#include "target/proc_fs.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace leakbpf {

class TargetTable {
public:
  using Targets = std::map<std::uint32_t, TargetState>; ///< by id; they stay at their addresses

  /// Both outlive the table.
  TargetTable(const ProcFs& proc, const TargetControl& control) : proc_(proc), control_(control) {}

  [[nodiscard]] Targets::iterator begin() { return targets_.begin(); }
  [[nodiscard]] Targets::iterator end() { return targets_.end(); }
  [[nodiscard]] Targets::const_iterator begin() const { return targets_.begin(); }
  [[nodiscard]] Targets::const_iterator end() const { return targets_.end(); }
  /// The first whose id is larger.
  [[nodiscard]] Targets::iterator after(std::uint32_t id) { return targets_.upper_bound(id); }
  [[nodiscard]] std::size_t size() const { return targets_.size(); }
  [[nodiscard]] bool empty() const { return targets_.empty(); }
  [[nodiscard]] std::size_t living() const { return living_; }
  /// Null: unknown, or settled.
  [[nodiscard]] TargetState* find(std::uint32_t id);
  [[nodiscard]] const TargetState* find(std::uint32_t id) const;
  [[nodiscard]] TargetState& at(std::uint32_t id) { return targets_.at(id); }
  [[nodiscard]] const TargetState& at(std::uint32_t id) const { return targets_.at(id); }

  /// A living one; the same when it is there.
  [[nodiscard]] TargetState& add(std::uint32_t id);
  void end(TargetState& target, std::string how, double now);
  void erase(std::uint32_t id) { targets_.erase(id); }

  /// The process, whatever program it runs by now.
  [[nodiscard]] bool still_runs(const TargetState& target) const;
  /// What runs by its PID is the program that the target stands for. An exec changes the memory
  /// some time before the kernel side's table, and that some time before its event is read.
  [[nodiscard]] bool has_image(const TargetState& target) const;
  /// Its memory, as it could be read until now, was that of the program that the target stands for.
  [[nodiscard]] bool is_same_image(const TargetState& target) const;

private:
  [[nodiscard]] bool is_of_its_pid(const TargetState& target) const;

  const ProcFs& proc_;
  const TargetControl& control_;
  Targets targets_;
  std::size_t living_ = 0;
};

} // namespace leakbpf
