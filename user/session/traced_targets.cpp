// SPDX-License-Identifier: Apache-2.0
#include "session/traced_targets.h"

#include <algorithm>

namespace leakbpf {

namespace {

// A stack whose walk waits for an unwind table is finished by then, if ever.
constexpr double stack_patience = 2;

} // namespace

/// One that is not known may be a child whose event is still to come.
bool TracedTargets::has_ended(std::uint32_t target) const {
  const TargetState* const found = targets_.find(target);
  return found ? !found->alive() : ended_.contains(target);
}

bool TracedTargets::may_be_named_yet(std::uint32_t target) const {
  const TargetState* const found = targets_.find(target);
  return found && !found->alive() && !frozen_ &&
         clock_() - found->ended->at_seconds < stack_patience;
}

void TracedTargets::add_late(const SiteKey& site, const SiteTotals& totals) {
  ended_.add_totals(site, totals);
}

std::optional<SiteKey> TracedTargets::site_of_range(const KernelKey& key) {
  const TargetState* const target = targets_.find(key.target);
  return target ? locator_.site_of_range(*target, key) : std::nullopt;
}

const WindowState* TracedTargets::window_of(std::uint32_t target) const {
  const TargetState* const known = targets_.find(target);
  return known ? &known->window : nullptr;
}

bool TracedTargets::any_unfinished() const {
  return std::any_of(targets_.begin(), targets_.end(),
                     [](const auto& each) { return each.second.window.unfinished; });
}

void TracedTargets::each_range(
    const std::function<void(const KernelKey&, const SiteTotals&)>& visit) const {
  for (const auto& [id, target] : targets_)
    for (const auto& [key, totals] : target.range_sites)
      visit(key, totals);
}

} // namespace leakbpf
