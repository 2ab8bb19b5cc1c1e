// SPDX-License-Identifier: Apache-2.0
// Reads and changes BPF maps. That a key is not there, or that a map is full, is an answer. For
// everything else a call is made again, and counted when it fails all the same: what it should have
// told or changed is missing in the numbers.
#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <vector>

#include <bpf/bpf.h>

namespace leakbpf {

class MapAccess {
public:
  /// False: the key is not there, or could not be read.
  [[nodiscard]] bool lookup(int map, const void* key, void* value) const;
  /// False: see errno.
  bool update(int map, const void* key, const void* value, std::uint64_t flags) const;
  bool update_batch(int map, const void* keys, const void* values, std::uint32_t count) const;
  void remove(int map, const void* key) const;
  /// Reads and removes. False: the key is not there, or could not be read.
  [[nodiscard]] bool take(int map, const void* key, void* value) const;

  /// Calls `visit(key, value)` for each element; `value` points to `value_bytes` bytes (for a
  /// per-CPU map: all CPUs' values). Elements that are added or removed meanwhile may be missed.
  /// Returns the number visited.
  template <class Key, class Visitor>
  std::size_t each_element(int map, std::size_t value_bytes, const Visitor& visit) const;

  /// The result of `call`, made again while it is an error that may pass.
  template <class Call> int insist(const Call& call) const;
  /// Calls that failed.
  [[nodiscard]] std::uint64_t failures() const { return failures_; }
  /// Something that was to be read could not be.
  void count_failure() const { failures_++; }

private:
  static bool is_answer(int error);

  mutable std::atomic<std::uint64_t> failures_{0};
};

template <class Call> int MapAccess::insist(const Call& call) const {
  constexpr int most_tries = 4;
  int result = 0;
  for (int tries = 0; tries < most_tries; tries++)
    if (result = call(); result >= 0 || is_answer(-result))
      return result;
  count_failure();
  return result;
}

template <class Key, class Visitor>
std::size_t MapAccess::each_element(int map, std::size_t value_bytes, const Visitor& visit) const {
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
    std::uint32_t count = 0;
    std::uint32_t next = 0;
    const int error = insist([&] {
      count = capacity;
      return bpf_map_lookup_batch(map, first ? nullptr : &cursor, &next, keys.data(), values.data(),
                                  &count, nullptr);
    });
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
