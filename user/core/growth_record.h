// SPDX-License-Identifier: Apache-2.0
// What a run remembers of the past, to tell growth from what comes and goes: outstanding bytes of
// every site, memory of every target, and how much each site had taken some time ago.
#pragma once

#include "core/history.h"
#include "core/site.h"
#include "core/trend.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace leakbpf {

/// Quantities of a target that are followed. Bytes.
enum class TargetSeries : std::uint8_t {
  memory,    ///< RSS and what was swapped out
  anonymous, ///< and what of it was swapped out
  file,
  shared,
  swapped,
  outstanding, ///< of all kinds: what a new pool of Python's maps is not counted beside it
  looks,       ///< no bytes: how often it was looked which sites hold Python's objects
};

/// A moment at which it is known what each site had taken.
struct SurvivalMark {
  double t_seconds = 0;
  std::size_t index = 0; ///< of the record, until the next sample
};

class GrowthRecord {
public:
  /// Begins a sample, `t` seconds after the start.
  void begin_sample(double t);
  void put_site(const SiteKey& key, const SiteTotals& totals);
  void put_target(std::uint32_t target, TargetSeries which, double bytes);
  /// The same of what was not known at all samples since the last time.
  void put_site_after_gap(const SiteKey& key, const SiteTotals& totals);
  void put_target_after_gap(std::uint32_t target, TargetSeries which, double bytes);
  /// False: the present sample is thinned out.
  [[nodiscard]] bool keeps_sites() const { return keep_outstanding_; }

  /// The target has ended, and was judged; its sites may be judged again.
  void forget_memory(std::uint32_t target);
  /// All of a target, whose sites are `sites`.
  void forget(std::uint32_t target, std::span<const SiteKey> sites);

  /// Of a target that is watched since `since` seconds, after its warm-up; nothing while there are
  /// too few points. A site of Python's is known as often as TargetSeries::looks says.
  [[nodiscard]] std::optional<Trend> site_trend(const SiteKey& key, double since) const;
  [[nodiscard]] std::optional<Trend> target_trend(std::uint32_t target, TargetSeries which,
                                                  double since) const;

  /// The latest moment that is old enough for what was taken before it to have been given back, if
  /// it ever is: 30 s ago, in a short run a third of it.
  [[nodiscard]] std::optional<SurvivalMark> survival_mark(double now) const;
  /// Bytes that the site had taken by then.
  [[nodiscard]] double allocated_at(const SurvivalMark& mark, const SiteKey& key) const;

  /// Samples of sites that were kept: while it is the same, trends are.
  [[nodiscard]] std::size_t kept_samples() const { return kept_samples_; }
  /// Times of the values that site_series gives.
  [[nodiscard]] const std::vector<double>& site_times() const { return outstanding_.times(); }
  /// Outstanding bytes, one for each of site_times().
  [[nodiscard]] std::vector<std::uint64_t> site_series(const SiteKey& key) const;

private:
  [[nodiscard]] std::size_t looks_after(std::uint32_t target, double from) const;

  struct PartKey {
    std::uint32_t target = 0;
    TargetSeries which = TargetSeries::memory;
    friend bool operator==(const PartKey&, const PartKey&) = default;
  };
  struct PartHash {
    std::size_t operator()(const PartKey& key) const noexcept {
      return std::size_t{key.target} << 8 | static_cast<std::size_t>(key.which);
    }
  };
  // Marks for survival can be few: they tell how long ago, not how it went.
  static constexpr std::size_t most_marks = 16;

  SeriesTable<SiteKey, SiteKeyHash> outstanding_;
  SeriesTable<SiteKey, SiteKeyHash> allocated_{most_marks};
  SeriesTable<PartKey, PartHash> parts_{256};
  std::size_t kept_samples_ = 0;
  bool keep_outstanding_ = false; ///< the present sample
  bool keep_allocated_ = false;
  bool keep_parts_ = false;
};

} // namespace leakbpf
