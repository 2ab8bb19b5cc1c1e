// SPDX-License-Identifier: Apache-2.0
// A process's memory with a heap that is made by hand, after glibc's malloc.
#pragma once

#include "base/process_memory.h"
#include "target/present_pages.h"
#include "target/proc_fs.h"

#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <vector>

namespace leakbpf {

inline constexpr std::uint64_t heap_at = 0x10000;
inline constexpr std::uint64_t heap_bytes = 0x4000;
inline constexpr std::uint64_t data_at = 0x40000;
inline constexpr std::uint64_t stack_at = 0x80000;

class MadeMemory : public ProcessMemory {
public:
  MadeMemory() {
    pieces_[heap_at].resize(heap_bytes);
    pieces_[data_at].resize(page_bytes);
    pieces_[stack_at].resize(page_bytes);
  }
  [[nodiscard]] bool read(std::uint64_t address, void* to, std::size_t size) const override {
    const auto after = pieces_.upper_bound(address);
    if (after == pieces_.begin())
      return false;
    const auto& [start, bytes] = *std::prev(after);
    if (address - start + size > bytes.size())
      return false;
    std::memcpy(to, &bytes[address - start], size);
    return true;
  }
  void put(std::uint64_t address, std::uint64_t word) {
    auto& [start, bytes] = *std::prev(pieces_.upper_bound(address));
    std::memcpy(&bytes[address - start], &word, sizeof(word));
  }
  /// A block behind those that there are.
  std::uint64_t take(std::uint64_t chunk_bytes, bool freed = false) {
    const std::uint64_t header = next_;
    put(header + 8, chunk_bytes | (last_in_use_ ? 1 : 0));
    last_in_use_ = !freed;
    next_ += chunk_bytes;
    put(next_ + 8, (heap_at + heap_bytes - next_) | (last_in_use_ ? 1 : 0)); // what is left
    return header + 16;
  }

private:
  std::map<std::uint64_t, std::vector<std::uint8_t>> pieces_;
  std::uint64_t next_ = heap_at;
  bool last_in_use_ = true;
};

/// All are there but those from `start` to `end`, which are in `state`.
class MadePages : public PresentPages {
public:
  MadePages(PageState state, std::uint64_t start, std::uint64_t end)
      : state_(state), start_(start), end_(end) {}
  [[nodiscard]] std::vector<PageState> states(std::uint64_t address,
                                              std::size_t count) const override {
    std::vector<PageState> states(count, PageState::present);
    for (std::size_t i = 0; i < count; i++)
      if (const std::uint64_t page = address + i * page_bytes; page >= start_ && page < end_)
        states[i] = state_;
    return states;
  }

private:
  PageState state_;
  std::uint64_t start_;
  std::uint64_t end_;
};

class AllThere : public MadePages {
public:
  AllThere() : MadePages(PageState::present, 0, 0) {}
};

inline std::vector<Mapping> made_mappings() {
  std::vector<Mapping> made(3);
  made[0].start = heap_at;
  made[0].end = heap_at + heap_bytes;
  made[0].path = "[heap]";
  made[1].start = data_at;
  made[1].end = data_at + page_bytes;
  made[1].path = "/bin/shop";
  made[1].inode = 7;
  made[2].start = stack_at;
  made[2].end = stack_at + page_bytes;
  for (Mapping& each : made)
    each.writable = true;
  return made;
}

} // namespace leakbpf
