// SPDX-License-Identifier: Apache-2.0
// Targets that have ended: what was found of them, which does not change any more. A target that
// forks all day leaves thousands of them, so each is small, and nobody walks over all of them but
// for a whole report.
#pragma once

#include "core/report.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace leakbpf {

/// One of its sites. Most hold nothing and have nothing to say: these are totals alone.
class EndedSite {
public:
  /// `row` has its verdict, and no frames.
  explicit EndedSite(const SiteReport& row);

  [[nodiscard]] const SiteKey& key() const { return key_; }
  [[nodiscard]] const SiteTotals& totals() const { return totals_; }
  void add(const SiteTotals& more);
  /// As it was given.
  [[nodiscard]] SiteReport row(std::int32_t pid) const;

private:
  SiteKey key_;
  SiteTotals totals_;
  std::optional<double> standard_error_bytes_;
  bool estimated_ = false;
  std::unique_ptr<SiteReport> more_; ///< null: the rest is unknown
};

struct EndedTarget {
  std::uint32_t id = 0;
  std::uint32_t group = 0; ///< of HeapWindows
  TargetReport report;     ///< with its verdict
  std::vector<EndedSite> sites;
};

class EndedTargets {
public:
  void add(EndedTarget target);
  /// What was counted for it late.
  void add_totals(const SiteKey& key, const SiteTotals& more);
  [[nodiscard]] bool contains(std::uint32_t id) const { return targets_.contains(id); }
  [[nodiscard]] const EndedTarget* find(std::uint32_t id) const;
  [[nodiscard]] std::size_t size() const { return targets_.size(); }
  /// By id.
  [[nodiscard]] const std::map<std::uint32_t, EndedTarget>& all() const { return targets_; }
  /// Ids, in the order in which they were added.
  [[nodiscard]] const std::vector<std::uint32_t>& arrivals() const { return arrivals_; }
  /// Changes when anything but a new target does.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  /// Blocks that all of them took.
  [[nodiscard]] std::uint64_t allocated_count() const { return allocated_count_; }

  /// When there are more than `most`: takes those with least outstanding out, so that `kept` stay.
  [[nodiscard]] std::vector<EndedTarget> evict(std::size_t most, std::size_t kept);

private:
  std::map<std::uint32_t, EndedTarget> targets_;
  std::vector<std::uint32_t> arrivals_;
  std::uint64_t generation_ = 0;
  std::uint64_t allocated_count_ = 0;
};

} // namespace leakbpf
