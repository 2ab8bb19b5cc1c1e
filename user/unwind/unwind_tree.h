// SPDX-License-Identifier: Apache-2.0
// An unwind table as the kernel searches it: a tree of fixed-size nodes (leakbpf/unwind_abi.h).
#pragma once

#include "unwind/unwind_table.h"

#include <leakbpf/unwind_abi.h>

#include <cstdint>
#include <span>
#include <vector>

namespace leakbpf {

struct UnwindTree {
  /// The id of a node is `first_node_id` + its index here. Leaves first, the root last.
  std::vector<leakbpf_unwind_node> nodes;
  std::uint32_t first_node_id = 0;
  std::uint32_t root = 0;   ///< its id
  std::uint32_t levels = 0; ///< 1: the root is a leaf; 0: there are no rows, hence no nodes
  std::uint32_t first_offset =
      0;                        ///< file offset of the first row, and base of a root that is a leaf
  std::uint32_t end_offset = 0; ///< file offset from which on there are no rules any more

  /// What the kernel would find: an index as in the `global_rules` that it was packed with.
  /// 0 outside [first_offset, end_offset).
  [[nodiscard]] std::uint16_t lookup(std::uint64_t file_offset) const;
};

/// `global_rules[i]` is the index to write for `table.rules[i]`: one for each of them, and 0 for
/// the first.
[[nodiscard]] UnwindTree pack_tree(const UnwindTable& table,
                                   std::span<const std::uint16_t> global_rules,
                                   std::uint32_t first_node_id);

} // namespace leakbpf
