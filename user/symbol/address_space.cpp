// SPDX-License-Identifier: Apache-2.0
#include "symbol/address_space.h"

#include <iterator>

namespace leakbpf {

void AddressSpace::update(const std::vector<Mapping>& mappings) {
  for (const Mapping& mapping : mappings) {
    if (!mapping.executable)
      continue;
    auto at = by_start_.lower_bound(mapping.start);
    if (at != by_start_.begin() && std::prev(at)->second.end > mapping.start)
      --at;
    while (at != by_start_.end() && at->second.start < mapping.end)
      at = by_start_.erase(at);
    by_start_.emplace(mapping.start, mapping);
  }
}

const Mapping* AddressSpace::find(std::uint64_t pc) const {
  auto at = by_start_.upper_bound(pc);
  if (at == by_start_.begin())
    return nullptr;
  --at;
  return pc < at->second.end ? &at->second : nullptr;
}

} // namespace leakbpf
