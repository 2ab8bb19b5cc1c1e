// SPDX-License-Identifier: Apache-2.0
#include "python/pools.h"

#include <algorithm>
#include <array>

#include <sys/uio.h>

namespace leakbpf {

std::vector<std::optional<std::uint32_t>> pool_use(pid_t pid,
                                                   std::span<const std::uint64_t> pools) {
  constexpr std::size_t most_at_once = 512;
  std::vector<std::optional<std::uint32_t>> use(pools.size());
  std::array<std::uint32_t, most_at_once> counts{};
  std::array<iovec, most_at_once> remote{};
  for (std::size_t at = 0; at < pools.size();) {
    const std::size_t wanted = std::min(most_at_once, pools.size() - at);
    for (std::size_t i = 0; i < wanted; i++) {
      auto* const there = reinterpret_cast<void*>(pools[at + i]); // NOLINT: an address over there
      remote.at(i) = {there, sizeof(counts[0])};
    }
    const iovec local{counts.data(), wanted * sizeof(counts[0])};
    const ssize_t got = process_vm_readv(pid, &local, 1, remote.data(), wanted, 0);
    const std::size_t read = got > 0 ? static_cast<std::size_t>(got) / sizeof(counts[0]) : 0;
    for (std::size_t i = 0; i < read; i++)
      use[at + i] = counts.at(i);
    at += read < wanted ? read + 1 : read; // it stops at the first that cannot be read
  }
  return use;
}

} // namespace leakbpf
