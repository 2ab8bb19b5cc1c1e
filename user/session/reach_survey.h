// SPDX-License-Identifier: Apache-2.0
// Of the stacks that grow, whether the program can still reach what they took: which blocks are
// looked for.
#pragma once

#include "core/growth_record.h"
#include "core/site_ledger.h"
#include "session/reach_watch.h"
#include "session/stack_locator.h"
#include "session/target_table.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace leakbpf {

class ReachSurvey {
public:
  /// All outlive the survey.
  struct Parts {
    const ProcFs& proc;
    const BlockTable& blocks;
    const GrowthRecord& growth;
    const SiteLedger& ledger;
    StackLocator& locator;
    const TargetTable& targets;
    bool all; ///< large processes, too, and those that run Python
  };

  /// `clock` tells seconds, for any thread.
  ReachSurvey(Parts parts, std::function<double()> clock)
      : of_(parts), watch_(parts.proc, std::move(clock)) {}

  /// Takes over what was found, and asks for the next process when it is time to.
  void look();
  /// Waits for what is being looked at.
  void finish() { watch_.finish(); }
  /// Nothing when too little is known.
  [[nodiscard]] std::optional<ReachReport> verdict(const SiteKey& site) const {
    return watch_.verdict(site);
  }

private:
  [[nodiscard]] bool may_be_reached(std::uint32_t id) const;
  [[nodiscard]] std::vector<SiteKey> sites_to_reach(std::uint32_t& of) const;
  [[nodiscard]] std::vector<ReachWatch::Question>
  blocks_to_reach(const std::vector<SiteKey>& sites);

  Parts of_;
  ReachWatch watch_;
  std::uint32_t last_ = 0; ///< target
};

} // namespace leakbpf
