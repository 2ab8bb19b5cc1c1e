// SPDX-License-Identifier: Apache-2.0
#include "python/pools.h"

namespace leakbpf {

std::vector<std::optional<std::uint32_t>> pool_use(const ProcessMemory& memory,
                                                   std::span<const std::uint64_t> pools) {
  std::vector<ProcessMemory::Piece> pieces;
  pieces.reserve(pools.size());
  for (const std::uint64_t pool : pools)
    pieces.push_back({pool, sizeof(std::uint64_t)});
  std::vector<std::optional<std::uint32_t>> use(pools.size());
  std::vector<std::uint64_t> words;
  for (std::size_t done = 0; done < pieces.size();) {
    const std::size_t got = memory.read_pieces(std::span(pieces).subspan(done), words);
    for (std::size_t i = 0; i < got; i++)
      use[done + i] = static_cast<std::uint32_t>(words[i]);
    done += got;
    if (done < pieces.size())
      done++; // that one cannot be read
  }
  return use;
}

} // namespace leakbpf
