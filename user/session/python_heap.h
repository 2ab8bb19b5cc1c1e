// SPDX-License-Identifier: Apache-2.0
// Python's small objects, by the sites that hold them.
#pragma once

#include "core/site.h"
#include "python/process_memory.h"
#include "python/retained.h"

#include <leakbpf/abi.h>

#include <functional>
#include <unordered_map>
#include <vector>

namespace leakbpf {

/// One target's outstanding blocks as they matter here, gathered anew for each look.
class PythonHeap {
public:
  /// A heap block larger than any small object, or a pool, of the site `key`.
  void add(const SiteKey& key, const leakbpf_block_key& place, const leakbpf_block& block);

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

  std::vector<Pool> pools_;
  std::vector<HoldingBlock> holders_;
  std::unordered_map<SiteKey, std::uint32_t, SiteKeyHash> numbers_;
  std::vector<SiteKey> sites_;
};

} // namespace leakbpf
