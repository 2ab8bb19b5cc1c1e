// SPDX-License-Identifier: Apache-2.0
// Who holds Python's small objects.
//
// The call that begins a new pool is not to blame for what fills it later: a burst of temporary
// objects begins a pool, and the objects that stay move in when they are gone. But what stays is
// held by something, and what holds much has grown beyond the small-object allocator: the table of
// a list, dict, set or deque is a heap block whose call stack, the line that made it grow, is
// known. So pointers are followed from heap blocks into pools, and from object to object there.
//
// The method is that of a conservative garbage collector (Boehm and Weiser, "Garbage Collection in
// an Uncooperative Environment", 1988): any word that could point into a block is taken for a
// pointer. Nothing of an object's type needs to be known.
#pragma once

#include "base/process_memory.h"

#include <cstdint>
#include <span>
#include <vector>

namespace leakbpf {

/// A heap block that may hold pointers; `site` is the caller's number for its call stack.
struct HoldingBlock {
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;
  std::uint32_t site = 0;
};

/// A pool of the small-object allocator, begun by the call stack number `site`.
struct HeldPool {
  std::uint64_t address = 0;
  std::uint32_t site = 0;
};

struct Retained {
  std::uint64_t bytes = 0;   ///< of small objects that are held
  std::uint64_t objects = 0; ///< how many
};

struct RetainedBySite {
  std::vector<Retained> holds; ///< by the number of the holder's site
  std::vector<Retained> loses; ///< by that of a pool's: what of its pools others hold
};

struct RetainedLimits {
  std::uint64_t most_bytes = 64 << 20; ///< of heap blocks to read
  unsigned most_depth = 6;             ///< objects between a heap block and the last one it holds
};

/// `holders` come in the order in which they may claim: an object that two hold is the first's.
/// `pool_bytes` is the size of every pool, which is aligned to it. Sites are numbers below
/// `site_count`. Reads the live process, whose objects change meanwhile: what cannot be read is
/// passed over.
[[nodiscard]] RetainedBySite find_retained(const ProcessMemory& memory,
                                           std::span<const HoldingBlock> holders,
                                           std::span<const HeldPool> pools,
                                           std::uint32_t pool_bytes, std::size_t site_count,
                                           const RetainedLimits& limits = {});

} // namespace leakbpf
