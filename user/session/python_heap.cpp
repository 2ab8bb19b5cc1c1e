// SPDX-License-Identifier: Apache-2.0
#include "session/python_heap.h"

#include <algorithm>
#include <cmath>

namespace leakbpf {

namespace {

constexpr std::uint64_t largest_small_object = 512;
/// Blocks that are looked through for pointers, the fastest growing sites' first.
constexpr std::size_t most_holders = 1 << 18;

} // namespace

std::uint32_t PythonHeap::number_of(const SiteKey& key) {
  const auto [known, is_new] = numbers_.emplace(key, static_cast<std::uint32_t>(sites_.size()));
  if (is_new)
    sites_.push_back(key);
  return known->second;
}

void PythonHeap::add(const SiteKey& key, const leakbpf_block_key& place,
                     const leakbpf_block& block) {
  if (key.kind == LEAKBPF_KIND_PYTHON)
    pools_.push_back({place, block, key});
  else if (block.size > largest_small_object)
    holders_.push_back({place.address, block.size, number_of(key)});
}

std::unordered_map<SiteKey, SiteTotals, SiteKeyHash>
PythonHeap::held(const ProcessMemory& memory, const std::function<double(const SiteKey&)>& growth) {
  std::unordered_map<SiteKey, SiteTotals, SiteKeyHash> changes;
  if (pools_.empty() || holders_.empty())
    return changes;
  std::vector<HeldPool> pools;
  for (const Pool& pool : pools_)
    pools.push_back({pool.place.address, number_of(pool.site)});
  std::vector<double> fast(sites_.size());
  for (std::size_t i = 0; i < sites_.size(); i++)
    fast[i] = growth(sites_[i]);
  std::stable_sort(holders_.begin(), holders_.end(),
                   [&fast](const HoldingBlock& a, const HoldingBlock& b) {
                     if (fast[a.site] != fast[b.site])
                       return fast[a.site] > fast[b.site];
                     return a.bytes > b.bytes;
                   });
  if (holders_.size() > most_holders)
    holders_.resize(most_holders);
  const std::uint64_t pool_bytes = pools_.front().block.size;
  const RetainedBySite found =
      find_retained(memory, holders_, pools, static_cast<std::uint32_t>(pool_bytes), sites_.size());
  for (std::size_t i = 0; i < sites_.size(); i++) {
    const SiteKey& site = sites_[i];
    if (found.holds[i].bytes > 0) {
      SiteTotals& totals = changes[{site.target, LEAKBPF_KIND_PYTHON, site.stack_hash}];
      totals.allocated_bytes += found.holds[i].bytes;
      totals.allocated_count += found.holds[i].objects;
    }
    if (found.loses[i].bytes > 0) {
      SiteTotals& totals = changes[site];
      totals.freed_bytes += found.loses[i].bytes;
      totals.freed_count += found.loses[i].bytes / pool_bytes;
    }
  }
  return changes;
}

} // namespace leakbpf
