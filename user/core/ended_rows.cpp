// SPDX-License-Identifier: Apache-2.0
#include "core/ended_rows.h"

#include <algorithm>
#include <utility>

namespace leakbpf {

void EndedRows::restart(const EndedTargets& ended, const EndedRowsView& view) {
  rows_ = view.rows;
  order_ = view.order;
  by_ = view.by;
  generation_ = ended.generation();
  seen_ = 0;
  best_.clear();
  merged_ = SiteMerger(view.by);
  row_count_ = 0;
  worst_.clear();
  suppressed_ = {};
}

void EndedRows::update(const EndedTargets& ended, const EndedRowsView& view) {
  if (view.rows != rows_ || view.order != order_ || view.by != by_ ||
      generation_ != ended.generation())
    restart(ended, view);
  for (; seen_ < ended.arrivals().size(); seen_++) {
    const std::uint32_t id = ended.arrivals()[seen_];
    looks_++;
    look_at(*ended.find(id), view);
    keep_worst(ended, id);
    if (best_.size() >= 2 * rows_ + 64)
      keep_best();
  }
  keep_best();
}

void EndedRows::look_at(const EndedTarget& target, const EndedRowsView& view) {
  std::vector<SiteReport> rows;
  for (const EndedSite& site : target.sites)
    if (auto row = view.row(target, site, suppressed_))
      rows.push_back(std::move(*row));
  if (by_ == GroupBy::process)
    rows = merge_sites(std::move(rows), by_, view.group);
  if (by_ == GroupBy::stack || by_ == GroupBy::process) {
    row_count_ += rows.size();
    std::move(rows.begin(), rows.end(), std::back_inserter(best_));
    return;
  }
  for (SiteReport& row : rows) {
    GroupFrame group = view.group(row);
    merged_.add(std::move(row), std::move(group));
  }
}

void EndedRows::keep_best() {
  if (best_.size() <= rows_)
    return;
  const auto end = best_.begin() + static_cast<std::ptrdiff_t>(rows_);
  std::nth_element(best_.begin(), end, best_.end(), order_);
  best_.erase(end, best_.end());
}

void EndedRows::keep_worst(const EndedTargets& ended, std::uint32_t id) {
  const auto at = std::upper_bound(
      worst_.begin(), worst_.end(), id, [&](std::uint32_t one, std::uint32_t other) {
        return is_worse(ended.find(one)->report, ended.find(other)->report);
      });
  worst_.insert(at, id);
  if (worst_.size() > most_shown_targets)
    worst_.pop_back();
}

} // namespace leakbpf
