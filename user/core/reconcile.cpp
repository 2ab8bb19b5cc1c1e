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

/// Blocks with mappings of their own are known all the time.
bool is_growing_heap(const SiteReport& row) {
  return row.key.kind == LEAKBPF_KIND_HEAP && !row.totals.is_of_mapped_blocks() &&
         row.growth_bytes_per_minute.value_or(0) > 0;
}

/// A minute; of all rows of its kind together. Nothing where none is known.
std::optional<double> most_growth(const SiteReport& row, const MeasuredMemory& memory) {
  if (is_growing_sample(row))
    return memory.growth;
  if (is_growing_heap(row) && memory.heap && memory.heap->replaced_rate > 0)
    return memory.heap->most_blocks_rate * 60;
  return std::nullopt;
}

/// No row of a heap grows faster than all of its blocks.
double bounded_growth(const SiteReport& row, const MeasuredMemory& memory) {
  const double growth = *row.growth_bytes_per_minute;
  return is_growing_heap(row) ? std::min(growth, *most_growth(row, memory)) : growth;
}

void bound_growth(std::vector<SiteReport>& rows,
                  const std::unordered_map<std::uint32_t, MeasuredMemory>& by_target) {
  const auto memory_of = [&](const SiteReport& row) {
    const auto memory = by_target.find(row.key.target);
    return memory != by_target.end() && most_growth(row, memory->second) ? &memory->second
                                                                         : nullptr;
  };
  std::map<std::pair<std::uint32_t, leakbpf_kind>, double> sums;
  for (const SiteReport& row : rows)
    if (const MeasuredMemory* const memory = memory_of(row))
      sums[{row.key.target, row.key.kind}] += bounded_growth(row, *memory);
  for (SiteReport& row : rows) {
    const MeasuredMemory* const memory = memory_of(row);
    if (!memory)
      continue;
    const double sum = sums[{row.key.target, row.key.kind}];
    const double growth = bounded_growth(row, *memory) *
                          (sum > 0 ? std::min(*most_growth(row, *memory) / sum, 1.0) : 0);
    row.growth_scale = growth / *row.growth_bytes_per_minute;
    row.growth_bytes_per_minute = growth;
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
