// SPDX-License-Identifier: Apache-2.0
#include "session/target_table.h"

#include <utility>

namespace leakbpf {

TargetState* TargetTable::find(std::uint32_t id) {
  const auto found = targets_.find(id);
  return found == targets_.end() ? nullptr : &found->second;
}

const TargetState* TargetTable::find(std::uint32_t id) const {
  const auto found = targets_.find(id);
  return found == targets_.end() ? nullptr : &found->second;
}

TargetState& TargetTable::add(std::uint32_t id) {
  const auto [added, is_new] = targets_.try_emplace(id);
  living_ += is_new ? 1 : 0;
  added->second.id = id;
  return added->second;
}

void TargetTable::end(TargetState& target, std::string how, double now) {
  living_ -= target.alive() ? 1 : 0;
  target.ended = TargetEnd{std::move(how), now};
}

bool TargetTable::still_runs(const TargetState& target) const {
  return is_process_of(target.process, proc_.stat(target.process.pid));
}

bool TargetTable::has_image(const TargetState& target) const {
  return is_of_its_pid(target) && is_image_of(target.process, proc_.stat(target.process.pid));
}

bool TargetTable::is_same_image(const TargetState& target) const {
  if (!is_of_its_pid(target))
    return false;
  const auto stat = proc_.stat(target.process.pid);
  return is_process_of(target.process, stat) && is_image_of(target.process, stat);
}

bool TargetTable::is_of_its_pid(const TargetState& target) const {
  const auto image = control_.target_id(target.process.pid); // nothing once it is frozen
  return image.value_or(target.id) == target.id;
}

} // namespace leakbpf
