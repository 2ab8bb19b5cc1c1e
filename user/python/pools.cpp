// SPDX-License-Identifier: Apache-2.0
#include "python/pools.h"

#include <algorithm>

namespace leakbpf {

std::optional<std::vector<PoolUse>> pool_use(const ProcessMemory& memory,
                                             std::span<const std::uint64_t> pools) {
  constexpr std::size_t most_at_once = 1024;
  std::vector<PoolUse> use(pools.size(), PoolUse::gone);
  std::vector<ProcessMemory::Piece> pieces;
  std::vector<std::uint64_t> words;
  bool any = pools.empty();
  for (std::size_t done = 0; done < pools.size();) {
    pieces.clear();
    for (const std::uint64_t pool :
         pools.subspan(done, std::min(most_at_once, pools.size() - done)))
      pieces.push_back({pool, sizeof(std::uint64_t)});
    const std::size_t got = memory.read_pieces(pieces, words);
    for (std::size_t i = 0; i < got; i++)
      use[done + i] = static_cast<std::uint32_t>(words[i]) != 0 ? PoolUse::in_use : PoolUse::empty;
    any = any || got > 0;
    done += got < pieces.size() ? got + 1 : got; // that one cannot be read
  }
  if (!any)
    return std::nullopt;
  return use;
}

} // namespace leakbpf
