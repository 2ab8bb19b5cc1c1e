// SPDX-License-Identifier: Apache-2.0
// What a Python process holds at one moment: objects by type, and the containers that have many
// entries.
#pragma once

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

/// Some of a number of objects, spread over all of them.
class ObjectSample {
public:
  void add(std::uint64_t object) {
    if (count_++ % stride_ != 0)
      return;
    if (objects_.size() == most)
      halve();
    objects_.push_back(object);
  }
  [[nodiscard]] const std::vector<std::uint64_t>& objects() const { return objects_; }

private:
  static constexpr std::size_t most = 64;
  void halve() {
    for (std::size_t i = 0; i < most; i += 2)
      objects_[i / 2] = objects_[i];
    objects_.resize(most / 2);
    stride_ *= 2;
  }

  std::vector<std::uint64_t> objects_;
  std::size_t count_ = 0;
  std::size_t stride_ = 1;
};

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
