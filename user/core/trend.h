// SPDX-License-Identifier: Apache-2.0
// Does a quantity grow, does it still, and how fast? Robust against bursts, sawteeth and caches
// that fill up.
//
// The time after warm-up is cut into up to twelve blocks of equal length; a block's level is the
// lower quartile of its points, so that what comes and goes within a block does not count. On the
// levels:
//  - growth is the Theil-Sen slope, the median of the slopes of all pairs (Sen, "Estimates of the
//    regression coefficient based on Kendall's tau", JASA 63, 1968), with Sen's confidence bounds;
//  - whether there is growth at all is the Mann-Kendall test (Mann, Econometrica 13, 1945; Kendall,
//    "Rank Correlation Methods", 1948), one-sided at 0.25 percent. Blocks much longer than a
//    churn's memory keep its autocorrelation out of the test;
//  - noise is estimated from second differences (Gasser, Sroka, Jennen-Steinmetz, Biometrika 73,
//    1986), which a trend, straight or bent, does not enter.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace leakbpf {

/// Part of a run at its beginning that growth is not computed from: the working set that churns
/// through the allocator becomes visible in it. Seconds: a fifth, at least 5, at most half.
[[nodiscard]] double warm_up_seconds(double run_seconds);

enum class TrendShape {
  too_short,   ///< too few points to tell
  flat,        ///< no growth that is told from noise
  up_and_down, ///< it rose, and fell back too far: a burst, a sawtooth, waves
  levelled,    ///< it grew, and has stopped
  growing,     ///< it grows, and has not stopped
  slowing,     ///< it grows, but ever slower: a cache or a heap that fills up
};

/// Rates in units per second.
struct Trend {
  TrendShape shape = TrendShape::too_short;
  double rate = 0;       ///< at present: of the last third where growth changed, else over all
  double first_rate = 0; ///< in the first third
  double projected = 0;  ///< as `rate`, after as long again: less than it when growth slows
  double lower = 0;      ///< 98 percent confidence bounds of the growth over all
  double upper = 0;
  double rise = 0;           ///< last level minus first
  double span_seconds = 0;   ///< of the time looked at
  double tau = 0;            ///< Kendall's rank correlation of level and time, -1 to 1
  std::size_t rises = 0;     ///< steps from one block to the next that went up
  std::size_t intervals = 0; ///< steps in all

  [[nodiscard]] bool sustained() const {
    return shape == TrendShape::growing || shape == TrendShape::slowing;
  }
  /// Of the same values, each times `factor`.
  [[nodiscard]] Trend scaled(double factor) const;
};

/// The trend of (times[i], values[i]) from `from` seconds on. A rise of less than `least_rise` is
/// no growth. Times ascend; points without a time are ignored. Nothing with fewer than three
/// points. `most_levels`: so many of the points were measured, if not all were; those between them
/// make nothing surer.
[[nodiscard]] std::optional<Trend> trend_of(const std::vector<double>& times,
                                            const std::vector<double>& values, double from,
                                            double least_rise,
                                            std::size_t most_levels = std::size_t(-1));

} // namespace leakbpf
