// SPDX-License-Identifier: Apache-2.0
// Which pools there are, for a question that is asked some million times: does this address lie in
// one?
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace leakbpf {

class PoolSet {
public:
  /// `pool_bytes`: of each pool, a power of two of at least 4 KiB.
  explicit PoolSet(std::uint32_t pool_bytes) : pool_bytes_(pool_bytes) { clear(); }

  void clear() {
    used_ = 0;
    slots_.assign(first_slots, {});
  }
  void add(std::uint64_t pool) {
    if ((used_ + 1) * 2 > slots_.size())
      grow();
    Slot& slot = slots_[place_of(pool / region_bytes)];
    used_ += slot.region == none ? 1 : 0;
    slot.region = pool / region_bytes;
    set_bit(slot, pool);
  }
  [[nodiscard]] bool contains(std::uint64_t address) const {
    const Slot& slot = slots_[place_of(address / region_bytes)];
    const std::uint64_t bit = address % region_bytes / pool_bytes_;
    return slot.region == address / region_bytes && (slot.pools.at(bit / 64) >> bit % 64 & 1) != 0;
  }

private:
  static constexpr std::uint64_t region_bytes = 1 << 20;
  static constexpr std::uint64_t none = ~std::uint64_t{0};
  static constexpr std::size_t first_slots = 64;
  struct Slot {
    std::uint64_t region = none;
    std::array<std::uint64_t, region_bytes / 4096 / 64> pools{}; ///< a bit each
  };

  void set_bit(Slot& slot, std::uint64_t pool) const {
    const std::uint64_t bit = pool % region_bytes / pool_bytes_;
    slot.pools.at(bit / 64) |= std::uint64_t{1} << bit % 64;
  }
  /// Of the region, or the free one where it would be.
  [[nodiscard]] std::size_t place_of(std::uint64_t region) const {
    std::size_t at = region * 0x9E3779B97F4A7C15 >> 32 & (slots_.size() - 1);
    while (slots_[at].region != none && slots_[at].region != region)
      at = (at + 1) & (slots_.size() - 1);
    return at;
  }
  void grow() {
    std::vector<Slot> before(slots_.size() * 2);
    before.swap(slots_);
    for (const Slot& slot : before)
      if (slot.region != none)
        slots_[place_of(slot.region)] = slot;
  }

  std::uint32_t pool_bytes_;
  std::size_t used_ = 0;
  std::vector<Slot> slots_;
};

} // namespace leakbpf
