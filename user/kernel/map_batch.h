// SPDX-License-Identifier: Apache-2.0
// Reads a whole BPF hash map with few system calls.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <vector>

#include <bpf/bpf.h>

namespace leakbpf {

/// Calls `visit(key, value)` for each element; `value` points to `value_bytes` bytes (for a per-CPU
/// map: all CPUs' values). Elements that are added or removed meanwhile may be missed.
/// Returns the number visited.
template <class Key, class Visitor>
std::size_t each_element(int map_fd, std::size_t value_bytes, const Visitor& visit) {
  // Where there are many CPUs, the values of one element are some KB.
  constexpr std::size_t most_bytes = 512UL * 1024;
  auto capacity = static_cast<std::uint32_t>(
      std::clamp<std::size_t>(most_bytes / std::max<std::size_t>(value_bytes, 1), 128, 4096));
  std::vector<Key> keys(capacity);
  std::vector<std::uint8_t> values(capacity * value_bytes);
  std::uint32_t cursor = 0;
  bool first = true;
  std::size_t visited = 0;
  for (;;) {
    std::uint32_t count = capacity;
    std::uint32_t next = 0;
    const int error = bpf_map_lookup_batch(map_fd, first ? nullptr : &cursor, &next, keys.data(),
                                           values.data(), &count, nullptr);
    if (error == -ENOSPC && count == 0) { // one bucket holds more than the batch
      capacity *= 2;
      keys.resize(capacity);
      values.resize(capacity * value_bytes);
      continue;
    }
    if (error && error != -ENOENT && error != -ENOSPC)
      return visited;
    for (std::uint32_t i = 0; i < count; i++)
      visit(keys[i], values.data() + i * value_bytes);
    visited += count;
    if (error == -ENOENT)
      return visited;
    cursor = next;
    first = false;
  }
}

} // namespace leakbpf
