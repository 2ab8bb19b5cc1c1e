// SPDX-License-Identifier: Apache-2.0
#include "unwind/unwind_tree.h"

#include "unwind/tree_search.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace leakbpf {

namespace {

constexpr std::uint16_t unused_low = 0xffff;
constexpr std::uint32_t unused_key = 0xffff'ffff;

/// Fills a leaf with the first of `rows`: as many as fit into it, into the 16 bits of their
/// distance and into its list of rules. Returns how many.
std::size_t fill_leaf(std::span<const UnwindRow> rows, std::span<const std::uint16_t> global_rules,
                      leakbpf_unwind_node& node) {
  auto& leaf = node.leaf;
  std::size_t rule_count = 0;
  std::size_t count = 0;
  for (; count < std::min<std::size_t>(rows.size(), LEAKBPF_UNWIND_NODE_ROWS); ++count) {
    const std::uint32_t distance = rows[count].offset - rows[0].offset;
    const std::uint16_t rule = global_rules[rows[count].rule];
    const auto* const known = std::find(leaf.rules, leaf.rules + rule_count, rule);
    const auto index = static_cast<std::size_t>(known - leaf.rules);
    if (distance >= unused_low || index == LEAKBPF_UNWIND_NODE_RULES)
      break;
    if (index == rule_count)
      leaf.rules[rule_count++] = rule;
    leaf.low[count] = static_cast<std::uint16_t>(distance);
    leaf.rule[count] = static_cast<std::uint8_t>(index);
  }
  std::fill(leaf.low + count, std::end(leaf.low), unused_low);
  std::fill(leaf.rule + count, std::end(leaf.rule), leaf.rule[count - 1]);
  return count;
}

leakbpf_unwind_node make_inner(std::uint32_t first_child, std::span<const std::uint32_t> keys) {
  leakbpf_unwind_node node{};
  node.inner.first_child = first_child;
  for (std::size_t i = 0; i < LEAKBPF_UNWIND_NODE_KEYS; ++i)
    node.inner.key[i] = i < keys.size() ? keys[i] : unused_key;
  return node;
}

/// Adds the level above the nodes with these keys, which are the last ones of the tree. Its own
/// keys are returned.
std::vector<std::uint32_t> add_level(UnwindTree& tree, std::span<const std::uint32_t> keys) {
  auto child = static_cast<std::uint32_t>(tree.first_node_id + tree.nodes.size() - keys.size());
  std::vector<std::uint32_t> own;
  while (!keys.empty()) {
    const auto some = keys.first(std::min<std::size_t>(keys.size(), LEAKBPF_UNWIND_NODE_KEYS));
    tree.nodes.push_back(make_inner(child, some));
    own.push_back(some[0]);
    child += static_cast<std::uint32_t>(some.size());
    keys = keys.subspan(some.size());
  }
  return own;
}

} // namespace

UnwindTree pack_tree(const UnwindTable& table, std::span<const std::uint16_t> global_rules,
                     std::uint32_t first_node_id) {
  UnwindTree tree;
  tree.first_node_id = first_node_id;
  if (table.rows.empty())
    return tree;
  tree.first_offset = table.rows.front().offset;
  tree.end_offset = table.rows.back().offset;
  std::vector<std::uint32_t> keys;
  for (std::span<const UnwindRow> rest = table.rows; !rest.empty();) {
    keys.push_back(rest[0].offset);
    rest = rest.subspan(fill_leaf(rest, global_rules, tree.nodes.emplace_back()));
  }
  tree.levels = 1;
  for (; keys.size() > 1; ++tree.levels)
    keys = add_level(tree, keys);
  tree.root = first_node_id + static_cast<std::uint32_t>(tree.nodes.size()) - 1;
  return tree;
}

std::uint16_t UnwindTree::lookup(std::uint64_t file_offset) const {
  return search_tree({root, levels, first_offset, end_offset}, file_offset,
                     [this](std::uint32_t id) { return &nodes[id - first_node_id]; });
}

} // namespace leakbpf
