// SPDX-License-Identifier: Apache-2.0
#include "core/site_sample.h"

#include <algorithm>

namespace leakbpf {

KernelKey key_of(const SiteSample& sample) {
  return {sample.key.target, static_cast<leakbpf_kind>(sample.key.kind), sample.key.stack_hash};
}

KernelKey key_of(const leakbpf_block_key& place, std::uint64_t stack) {
  return {place.target, static_cast<leakbpf_kind>(place.kind), stack};
}

SiteTotals totals_of(const SiteSample& sample) {
  const leakbpf_site_totals& totals = sample.totals;
  return {totals.allocated_bytes >> LEAKBPF_WEIGHT_BITS,
          totals.allocated_count >> LEAKBPF_WEIGHT_BITS, totals.freed_bytes >> LEAKBPF_WEIGHT_BITS,
          totals.freed_count >> LEAKBPF_WEIGHT_BITS};
}

SiteTotals estimate_of(const SiteSample& sample, const WindowState& window) {
  SiteTotals totals = totals_of(sample);
  const std::uint32_t scale =
      sample.key.kind == LEAKBPF_KIND_PYTHON ? window.pool_scale : window.scale;
  if (scale <= 1 || sample.totals.young_window != window.number)
    return totals;
  const auto too_much = [&](std::int64_t young, std::uint64_t all) {
    const auto blocks = static_cast<std::uint64_t>(std::max<std::int64_t>(young, 0));
    const std::uint64_t more = blocks - blocks / scale;
    return std::min(more >> LEAKBPF_WEIGHT_BITS, all);
  };
  totals.allocated_bytes -= too_much(sample.totals.young_bytes, totals.allocated_bytes);
  totals.allocated_count -= too_much(sample.totals.young_count, totals.allocated_count);
  return totals;
}

} // namespace leakbpf
