// SPDX-License-Identifier: Apache-2.0
// The targets of a trace, as a ledger of sites sees them.
#pragma once

#include "core/ended_targets.h"
#include "core/site_ledger.h"
#include "session/stack_locator.h"
#include "session/target_table.h"

#include <cstdint>
#include <functional>
#include <optional>

namespace leakbpf {

class TracedTargets : public LedgerTargets {
public:
  /// All outlive this. `clock` tells seconds since tracing began.
  TracedTargets(TargetTable& targets, EndedTargets& ended, StackLocator& locator,
                std::function<double()> clock)
      : targets_(targets), ended_(ended), locator_(locator), clock_(std::move(clock)) {}

  /// No walk will be finished any more.
  void freeze() { frozen_ = true; }

  [[nodiscard]] SiteKey by_place(const KernelKey& key) override { return locator_.by_place(key); }
  [[nodiscard]] const WindowState* window_of(std::uint32_t target) const override;
  [[nodiscard]] bool any_unfinished() const override;
  [[nodiscard]] bool has_ended(std::uint32_t target) const override;
  [[nodiscard]] bool may_be_named_yet(std::uint32_t target) const override;
  void add_late(const SiteKey& site, const SiteTotals& totals) override;
  void
  each_range(const std::function<void(const KernelKey&, const SiteTotals&)>& visit) const override;
  [[nodiscard]] std::optional<SiteKey> site_of_range(const KernelKey& key) override;

private:
  TargetTable& targets_;
  EndedTargets& ended_;
  StackLocator& locator_;
  std::function<double()> clock_;
  bool frozen_ = false;
};

} // namespace leakbpf
