// SPDX-License-Identifier: Apache-2.0
// Address ranges with a value each, searched for the narrowest range that covers an address.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace leakbpf {

/// Fill with `add`, call `seal` once, then search. Ranges may nest, overlap and repeat.
template <class Value> class IntervalIndex {
public:
  struct Entry {
    std::uint64_t low;
    std::uint64_t high; ///< exclusive
    Value value;
  };

  /// Empty ranges, and ranges that wrap around, are dropped: they cover nothing.
  void add(std::uint64_t low, std::uint64_t high, Value value) {
    if (low < high)
      entries_.push_back(Entry{low, high, std::move(value)});
  }

  /// Sorts. Of several entries with the very same range only the first by `better` is kept.
  template <class Better> void seal(Better better) {
    std::sort(entries_.begin(), entries_.end(), [&](const Entry& a, const Entry& b) {
      if (a.low != b.low)
        return a.low < b.low;
      return a.high != b.high ? a.high < b.high : better(a.value, b.value);
    });
    auto same_range = [](const Entry& a, const Entry& b) {
      return a.low == b.low && a.high == b.high;
    };
    entries_.erase(std::unique(entries_.begin(), entries_.end(), same_range), entries_.end());
    entries_.shrink_to_fit();
    reach_.reserve(entries_.size());
    std::uint64_t reach = 0;
    for (const Entry& entry : entries_)
      reach_.push_back(reach = std::max(reach, entry.high));
  }

  /// The narrowest entry that covers `address`; null when none does.
  [[nodiscard]] const Entry* find(std::uint64_t address) const {
    auto after =
        std::upper_bound(entries_.begin(), entries_.end(), address,
                         [](std::uint64_t key, const Entry& entry) { return key < entry.low; });
    const Entry* best = nullptr;
    // Backwards until nothing further back reaches as far as the address.
    for (auto i = static_cast<std::size_t>(after - entries_.begin());
         i-- > 0 && reach_[i] > address;) {
      const Entry& entry = entries_[i];
      if (address >= entry.high)
        continue;
      if (best == nullptr || entry.high - entry.low < best->high - best->low)
        best = &entry;
      // What starts further back and is narrower would end before the address.
      if (address - entry.low >= best->high - best->low)
        break;
    }
    return best;
  }

  [[nodiscard]] bool empty() const { return entries_.empty(); }

private:
  std::vector<Entry> entries_;
  std::vector<std::uint64_t> reach_; ///< highest end of entries [0, i]
};

} // namespace leakbpf
