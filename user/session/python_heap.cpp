// SPDX-License-Identifier: Apache-2.0
#include "session/python_heap.h"

#include <algorithm>
#include <cmath>

namespace leakbpf {

namespace {

constexpr std::uint64_t largest_small_object = 512;
/// Blocks that are looked through for pointers, the fastest growing sites' first.
constexpr std::size_t most_holders = 1 << 18;

std::uint64_t scaled(std::uint64_t value, double factor) {
  return static_cast<std::uint64_t>(static_cast<double>(value) * factor);
}

} // namespace

std::uint32_t PythonHeap::number_of(const SiteKey& key) {
  const auto [known, is_new] = numbers_.emplace(key, static_cast<std::uint32_t>(sites_.size()));
  if (is_new) {
    sites_.push_back(key);
    weighted_.push_back(0);
    bytes_.push_back(0);
  }
  return known->second;
}

void PythonHeap::add(const SiteKey& key, const leakbpf_block_key& place,
                     const leakbpf_block& block) {
  if (key.kind == LEAKBPF_KIND_PYTHON)
    add_pool(key, place, block);
  else if (block.size > largest_small_object)
    add_holder(key, place.address, block.size,
               limited_ ? 1 : double(block.weight) / LEAKBPF_WEIGHT_ONE);
}

void PythonHeap::add_pool(const SiteKey& key, const leakbpf_block_key& place,
                          const leakbpf_block& block) {
  pools_.push_back({place, block, key});
  weigh(number_of(key), block.size, double(block.weight) / LEAKBPF_WEIGHT_ONE);
}

void PythonHeap::weigh(std::uint32_t site, std::uint64_t bytes, double weight) {
  weighted_[site] += static_cast<double>(bytes) * weight;
  bytes_[site] += static_cast<double>(bytes);
}

void PythonHeap::add_mapped(const SiteKey& key, std::uint64_t address, std::uint64_t bytes) {
  if (bytes > LEAKBPF_MAPPED_BLOCK_OFFSET)
    add_holder(key, address + LEAKBPF_MAPPED_BLOCK_OFFSET, bytes - LEAKBPF_MAPPED_BLOCK_OFFSET, 1);
}

void PythonHeap::add_holder(const SiteKey& key, std::uint64_t address, std::uint64_t bytes,
                            double weight) {
  const std::uint32_t site = number_of(key);
  holders_.push_back({address, bytes, site});
  weigh(site, bytes, weight);
}

/// What a site's blocks, or pools, stand for, in themselves.
double PythonHeap::weight_of(std::size_t site) const {
  return bytes_[site] > 0 ? weighted_[site] / bytes_[site] : 1;
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
    fast[i] = limited_ ? 0 : growth(sites_[i]);
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
  double held = 0;
  double estimated = 0;
  for (std::size_t i = 0; i < sites_.size(); i++) {
    const SiteKey& site = sites_[i];
    if (found.holds[i].bytes == 0)
      continue;
    SiteTotals& totals = changes[{site.target, LEAKBPF_KIND_PYTHON, site.stack_hash}];
    totals.allocated_bytes += scaled(found.holds[i].bytes, weight_of(i));
    totals.allocated_count += scaled(found.holds[i].objects, weight_of(i));
    held += static_cast<double>(found.holds[i].bytes);
    estimated += static_cast<double>(found.holds[i].bytes) * weight_of(i);
  }
  for (std::size_t i = 0; i < sites_.size(); i++) {
    if (found.loses[i].bytes == 0)
      continue;
    const std::uint64_t bytes = scaled(found.loses[i].bytes, weight_of(i) * estimated / held);
    SiteTotals& totals = changes[sites_[i]];
    totals.freed_bytes += bytes;
    totals.freed_count += bytes / pool_bytes;
  }
  return changes;
}

} // namespace leakbpf
