// SPDX-License-Identifier: Apache-2.0
// The search that the kernel side does in a file's tree (bpf/unwind/tables.bpf.h).
#pragma once

#include <leakbpf/unwind_abi.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>

namespace leakbpf {

/// Index of the last element of an ascending array that is not above `value`; 0 when all are.
template <class Array> std::size_t last_not_above(const Array& array, std::uint32_t value) {
  const auto above = std::upper_bound(std::begin(array), std::end(array), value);
  return above == std::begin(array)
             ? 0
             : static_cast<std::size_t>(std::distance(std::begin(array), above)) - 1;
}

/// Index of the rule at `offset`; 0 where the file has none. `node_of(id)` gives a node, or
/// nothing.
template <class NodeOf>
std::uint16_t search_tree(const leakbpf_unwind_file& file, std::uint64_t offset, NodeOf node_of) {
  if (file.levels == 0 || offset < file.first_offset || offset >= file.end_offset)
    return 0;
  const auto place = static_cast<std::uint32_t>(offset);
  std::uint32_t id = file.root;
  std::uint32_t base = file.first_offset;
  for (std::uint32_t level = file.levels; level > 1; level--) {
    const auto inner = node_of(id);
    if (!inner)
      return 0;
    const std::size_t child = last_not_above(inner->inner.key, place);
    base = inner->inner.key[child];
    id = inner->inner.first_child + static_cast<std::uint32_t>(child);
  }
  const auto leaf = node_of(id);
  if (!leaf)
    return 0;
  const std::size_t row = last_not_above(leaf->leaf.low, std::min(place - base, 0xffffU));
  return leaf->leaf.rules[leaf->leaf.rule[row]];
}

} // namespace leakbpf
