// SPDX-License-Identifier: Apache-2.0
#include "reach/heap_index.h"

#include <algorithm>
#include <limits>

namespace leakbpf {

namespace {

/// Pages without a block that a stretch bridges.
constexpr std::uint64_t widest_gap = 1 << 12;

} // namespace

void HeapIndex::add(std::uint64_t start, std::uint64_t end, bool in_use) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
  if (end > start)
    blocks_.push_back(
        {start, static_cast<std::uint32_t>(std::min((end - start) / 8, most)), in_use});
}

void HeapIndex::seal() {
  std::stable_sort(blocks_.begin(), blocks_.end(),
                   [](const Block& a, const Block& b) { return a.start < b.start; });
  std::vector<Block> apart;
  apart.reserve(blocks_.size());
  for (const Block& block : blocks_)
    if (apart.empty() || block.start >= apart.back().start + std::uint64_t{apart.back().words} * 8)
      apart.push_back(block);
  blocks_ = std::move(apart);
  for (std::uint32_t i = 0; i < blocks_.size(); i++) {
    const std::uint64_t page = blocks_[i].start >> page_shift;
    if (stretches_.empty() ||
        page > stretches_.back().first_page + stretches_.back().first.size() + widest_gap)
      stretches_.push_back({page, {}});
    Stretch& stretch = stretches_.back();
    while (stretch.first_page + stretch.first.size() <= page)
      stretch.first.push_back(i);
  }
}

std::optional<std::uint32_t> HeapIndex::find(std::uint64_t address) const {
  const std::uint64_t page = address >> page_shift;
  const auto after = std::upper_bound(
      stretches_.begin(), stretches_.end(), page,
      [](std::uint64_t value, const Stretch& each) { return value < each.first_page; });
  if (after == stretches_.begin())
    return std::nullopt;
  const Stretch& stretch = *std::prev(after);
  // The last that begins at or before the address: in its page, or before that.
  const std::uint64_t offset = page - stretch.first_page;
  std::uint32_t next = offset + 1 < stretch.first.size() ? stretch.first[offset + 1]
                       : after == stretches_.end() ? static_cast<std::uint32_t>(blocks_.size())
                                                   : after->first.front();
  while (next > 0 && blocks_[next - 1].start > address)
    next--;
  if (next == 0 || address >= end(next - 1))
    return std::nullopt;
  return next - 1;
}

} // namespace leakbpf
