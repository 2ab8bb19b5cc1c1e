// SPDX-License-Identifier: Apache-2.0
#include "core/reconcile.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace leakbpf {

namespace {

bool is_estimate(const SiteReport& row) {
  return row.estimated && row.standard_error_bytes.value_or(1) > 0 &&
         (row.key.kind == LEAKBPF_KIND_HEAP || row.key.kind == LEAKBPF_KIND_PYTHON);
}

std::uint64_t scaled(std::uint64_t number, double factor) {
  return static_cast<std::uint64_t>(std::llround(static_cast<double>(number) * factor));
}

void scale(SiteReport& row, double factor) {
  const auto outstanding = static_cast<double>(row.totals.outstanding_bytes());
  row.scale *= factor;
  SiteTotals& totals = row.totals;
  totals.allocated_bytes = scaled(totals.allocated_bytes, factor);
  totals.allocated_count = scaled(totals.allocated_count, factor);
  totals.freed_bytes = std::min(scaled(totals.freed_bytes, factor), totals.allocated_bytes);
  totals.freed_count = std::min(scaled(totals.freed_count, factor), totals.allocated_count);
  if (row.growth_bytes_per_minute)
    *row.growth_bytes_per_minute *= factor;
  if (row.standard_error_bytes)
    row.standard_error_bytes =
        std::hypot(*row.standard_error_bytes * factor, outstanding * (1 - factor));
}

/// 1 where there is room for all.
double factor_of(double sum, const MeasuredMemory& memory, bool python) {
  const auto limit =
      static_cast<double>(python ? memory.python.value_or(memory.resident) : memory.resident);
  return limit > 0 && sum > limit ? limit / sum : 1;
}

bool is_growing_sample(const SiteReport& row) {
  return row.key.kind == LEAKBPF_KIND_PAGES && !row.verdict.severity &&
         row.growth_bytes_per_minute.value_or(0) > 0;
}

bool is_growing_heap(const SiteReport& row) {
  return row.key.kind == LEAKBPF_KIND_HEAP && !row.totals.is_of_mapped_blocks() &&
         row.growth_bytes_per_minute.value_or(0) > 0;
}

void scale_growth(SiteReport& row, double factor) {
  row.growth_scale = factor;
  *row.growth_bytes_per_minute *= factor;
}

void bound_growth(std::vector<SiteReport>& rows,
                  const std::unordered_map<std::uint32_t, MeasuredMemory>& by_target) {
  std::map<std::uint32_t, double> sums;
  for (const SiteReport& row : rows)
    if (is_growing_sample(row))
      sums[row.key.target] += *row.growth_bytes_per_minute;
  for (SiteReport& row : rows) {
    const auto memory = by_target.find(row.key.target);
    if (memory == by_target.end())
      continue;
    if (is_growing_heap(row) && memory->second.kept < 1)
      scale_growth(row, memory->second.kept);
    else if (is_growing_sample(row) && memory->second.growth)
      scale_growth(row, std::min(*memory->second.growth / sums[row.key.target], 1.0));
  }
}

} // namespace

void reconcile(std::vector<SiteReport>& rows,
               const std::unordered_map<std::uint32_t, MeasuredMemory>& by_target) {
  std::map<std::pair<std::uint32_t, bool>, double> sums; // of a target's Python, and of its heap
  const auto group = [](const SiteReport& row) {
    return std::pair(row.key.target, row.key.kind == LEAKBPF_KIND_PYTHON);
  };
  for (const SiteReport& row : rows)
    if (is_estimate(row))
      sums[group(row)] += static_cast<double>(row.totals.outstanding_bytes());
  for (SiteReport& row : rows) {
    const auto memory = by_target.find(row.key.target);
    if (!is_estimate(row) || memory == by_target.end())
      continue;
    const auto key = group(row);
    if (const double factor = factor_of(sums[key], memory->second, key.second); factor < 1)
      scale(row, factor);
  }
  bound_growth(rows, by_target);
}

} // namespace leakbpf
