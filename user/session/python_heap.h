// SPDX-License-Identifier: Apache-2.0
// Python's small objects, by the sites that hold them.
#pragma once

#include "base/process_memory.h"
#include "core/site.h"
#include "python/retained.h"

#include <leakbpf/abi.h>

#include <functional>
#include <unordered_map>
#include <vector>

namespace leakbpf {

/// One target's outstanding blocks as they matter here, gathered anew for each look.
class PythonHeap {
public:
  /// `limited`: heap blocks are followed in windows. Then it is luck which of the smaller ones are
  /// known, and how fast their sites grow is rough: each holds what it holds, no more, and of two
  /// that hold an object the larger one has it.
  explicit PythonHeap(bool limited) : limited_(limited) {}

  /// A heap block larger than any small object, or a pool, of the site `key`.
  void add(const SiteKey& key, const leakbpf_block_key& place, const leakbpf_block& block);
  /// A heap block that is known by its mapping.
  void add_mapped(const SiteKey& key, std::uint64_t address, std::uint64_t bytes);

  struct Pool {
    leakbpf_block_key place;
    leakbpf_block block;
    SiteKey site;
  };
  [[nodiscard]] const std::vector<Pool>& pools() const { return pools_; }

  /// What to add to the totals of sites: a pool's site loses what others hold. `growth` says how
  /// fast a site grows: of two that hold an object the faster one has it.
  [[nodiscard]] std::unordered_map<SiteKey, SiteTotals, SiteKeyHash>
  held(const ProcessMemory& memory, const std::function<double(const SiteKey&)>& growth);

private:
  std::uint32_t number_of(const SiteKey& key);
  [[nodiscard]] double weight_of(std::size_t site) const;
  void add_pool(const SiteKey& key, const leakbpf_block_key& place, const leakbpf_block& block);
  void weigh(std::uint32_t site, std::uint64_t bytes, double weight);
  void add_holder(const SiteKey& key, std::uint64_t address, std::uint64_t bytes, double weight);

  bool limited_;
  std::vector<Pool> pools_;
  std::vector<HoldingBlock> holders_;
  std::vector<double> weighted_; ///< by site: bytes of blocks or pools, times what they stand for
  std::vector<double> bytes_;    ///< and as they are
  std::unordered_map<SiteKey, std::uint32_t, SiteKeyHash> numbers_;
  std::vector<SiteKey> sites_;
};

} // namespace leakbpf
