// SPDX-License-Identifier: Apache-2.0
// What a Python process holds at one moment: objects by type, and the containers that have many
// entries.
#pragma once

#include "core/history.h"
#include "held/heap_scan.h"

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace leakbpf {

/// A dict, list, set, deque, bytearray, array or BytesIO, or an object of a class made from one.
struct HeapContainer {
  std::uint64_t address = 0;
  std::uint64_t type_address = 0;
  TypeNumber type = 0;
  ObjectShape shape = ObjectShape::other;
  std::uint64_t entries = 0; ///< of a bytearray or BytesIO: bytes
};

/// Objects of one type.
struct TypeCount {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0; ///< of their blocks
};

/// Some objects of a type, spread over all of them.
using ObjectSample = ThinnedList<std::uint64_t, 64>;

struct Census {
  std::vector<HeapContainer> containers;
  std::vector<HeapContainer> small; ///< with fewer entries; at most most_small of them
  std::vector<std::uint64_t> functions;
  std::vector<std::uint64_t> generators;                ///< and coroutines
  std::vector<TypeCount> types;                         ///< by their numbers
  std::unordered_map<TypeNumber, ObjectSample> samples; ///< of the types that were asked for
  ScanCounts counts;
};

inline constexpr std::size_t most_small = 65'536;
/// Below this many entries a container is not watched.
inline constexpr std::uint64_t least_entries = 32;
/// From so many on, one that has more at the next census is watched nevertheless.
inline constexpr std::uint64_t least_small_entries = 4;
inline constexpr std::uint64_t least_bytes = 4096;

/// Of what the first 32 bytes of an object of this shape say; 0 for shapes that have no entries,
/// and for a number that cannot be.
[[nodiscard]] std::uint64_t entries_of(ObjectShape shape, std::span<const std::uint8_t> bytes);

/// `sampled`: types of which objects are wanted.
[[nodiscard]] Census take_census(HeapScan& scan, const ObjectTypes& types,
                                 std::span<const HeapRange> ranges,
                                 std::span<const TypeNumber> sampled = {});

} // namespace leakbpf
