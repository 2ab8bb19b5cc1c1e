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
    while (at != by_start_.end() && at->second.start < mapping.end) {
      const Mapping old = std::move(at->second);
      at = by_start_.erase(at);
      keep_outside(old, mapping);
    }
    by_start_.emplace(mapping.start, mapping);
  }
}

/// Keeps what of `old` lies before and after `replacement`.
void AddressSpace::keep_outside(const Mapping& old, const Mapping& replacement) {
  if (old.start < replacement.start) {
    Mapping before = old;
    before.end = replacement.start;
    by_start_.emplace(before.start, std::move(before));
  }
  if (old.end > replacement.end) {
    Mapping after = old;
    after.start = replacement.end;
    after.offset += after.start - old.start;
    by_start_.emplace(after.start, std::move(after));
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
