// SPDX-License-Identifier: Apache-2.0
// The blocks of a heap in the order of their addresses, in little room, found by any address in
// them: there are millions, and each word of the process's memory may be one.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace leakbpf {

class HeapIndex {
public:
  /// [start, end), both multiples of eight. Blocks that overlap one that was added are left out.
  void add(std::uint64_t start, std::uint64_t end, bool in_use = true);
  /// To be called once, after the last `add`.
  void seal();
  /// The number of the block that the address lies in.
  [[nodiscard]] std::optional<std::uint32_t> find(std::uint64_t address) const;
  [[nodiscard]] std::size_t size() const { return blocks_.size(); }
  /// When it was added.
  [[nodiscard]] bool in_use(std::uint32_t number) const { return blocks_[number].in_use; }
  [[nodiscard]] std::uint64_t start(std::uint32_t number) const { return blocks_[number].start; }
  [[nodiscard]] std::uint64_t end(std::uint32_t number) const {
    return blocks_[number].start + std::uint64_t{blocks_[number].words} * 8;
  }

private:
  struct Block {
    std::uint64_t start = 0;
    std::uint32_t words = 0; ///< of eight bytes
    bool in_use = false;
  };
  /// Blocks that begin in pages that lie side by side, or nearly.
  struct Stretch {
    std::uint64_t first_page = 0;
    std::vector<std::uint32_t> first; ///< of each page, the first block that begins in it or later
  };
  static constexpr unsigned page_shift = 12;

  std::vector<Block> blocks_;
  std::vector<Stretch> stretches_; ///< ascending
};

} // namespace leakbpf
