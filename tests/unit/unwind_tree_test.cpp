// SPDX-License-Identifier: Apache-2.0
// A packed table gives the rules of the table itself.
#include "unwind/unwind_tree.h"
#include "unwind_fixture.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

using leakbpf::pack_tree;
using leakbpf::UnwindRow;
using leakbpf::UnwindTable;
using leakbpf::UnwindTree;
using namespace leakbpf::unwind_fixture;

namespace {

constexpr std::uint32_t first_node_id = 1000;
constexpr std::size_t most_rows = LEAKBPF_UNWIND_NODE_ROWS;

/// Global numbers that are not the local ones; 0 stays 0.
std::vector<std::uint16_t> numbers_for(const UnwindTable& table) {
  std::vector<std::uint16_t> numbers(table.rules.size());
  for (std::size_t i = 1; i < numbers.size(); ++i)
    numbers[i] = static_cast<std::uint16_t>(3 * i + 7);
  return numbers;
}

UnwindTree pack(const UnwindTable& table) {
  return pack_tree(table, numbers_for(table), first_node_id);
}

/// Rows at these offsets, with rules 1 and 2 in turn, and the end.
UnwindTable table_at(const std::vector<std::uint32_t>& offsets, std::uint32_t end) {
  UnwindTable table;
  table.rules = {only(LEAKBPF_CFA_NONE), at(7, 8), at(7, 16)};
  for (std::size_t i = 0; i < offsets.size(); ++i)
    table.rows.push_back({offsets[i], static_cast<std::uint16_t>(1 + i % 2)});
  table.rows.push_back({end, 0});
  return table;
}

UnwindTable table_of_steps(std::size_t rows, std::uint32_t step) {
  std::vector<std::uint32_t> offsets(rows);
  for (std::size_t i = 0; i < rows; ++i)
    offsets[i] = static_cast<std::uint32_t>(0x1000 + i * step);
  return table_at(offsets, offsets.back() + step);
}

void check_lookups(const UnwindTable& table, const UnwindTree& tree) {
  const std::vector<std::uint16_t> numbers = numbers_for(table);
  std::vector<std::uint64_t> offsets = {0, ~std::uint64_t{0}, 0xffff'ffff};
  for (const UnwindRow& row : table.rows)
    for (const int distance : {-1, 0, 1})
      offsets.push_back(row.offset + static_cast<std::uint64_t>(distance));
  std::mt19937_64 random(1); // NOLINT: the same each time
  for (int i = 0; i < 20'000; ++i)
    offsets.push_back(random() % (std::uint64_t{tree.end_offset} + 0x1000));
  std::size_t wrong = 0;
  for (const std::uint64_t offset : offsets) {
    const auto after = std::upper_bound(
        table.rows.begin(), table.rows.end(), offset,
        [](std::uint64_t wanted, const UnwindRow& row) { return wanted < row.offset; });
    const std::uint16_t local = after == table.rows.begin() ? std::uint16_t{0} : (after - 1)->rule;
    wrong +=
        tree.lookup(offset) != numbers[local] || !(table.rules[local] == table.rule_at(offset));
  }
  CHECK(wrong == 0);
}

std::size_t used_rows(const leakbpf_unwind_node& node) {
  return static_cast<std::size_t>(std::count_if(std::begin(node.leaf.low), std::end(node.leaf.low),
                                                [](unsigned low) { return low != 0xffff; }));
}

} // namespace

TEST_CASE("unwind tree: none for an empty table", "[unwind]") {
  UnwindTable table;
  table.rules = {only(LEAKBPF_CFA_NONE)};
  const UnwindTree tree = pack(table);
  CHECK(tree.nodes.empty());
  CHECK(tree.levels == 0);
  CHECK(tree.lookup(0) == 0);
}

TEST_CASE("unwind tree: one leaf, with its unused rows", "[unwind]") {
  const UnwindTable table = table_at({0x1234, 0x1300}, 0x2000);
  const UnwindTree tree = pack(table);
  REQUIRE(tree.nodes.size() == 1);
  CHECK(tree.levels == 1);
  CHECK(tree.root == first_node_id);
  CHECK(tree.first_offset == 0x1234);
  CHECK(tree.end_offset == 0x2000);
  const auto& leaf = tree.nodes[0].leaf;
  CHECK(leaf.low[0] == 0);
  CHECK(leaf.low[1] == 0x1300 - 0x1234);
  CHECK(leaf.low[3] == 0xffff);
  CHECK(leaf.rules[leaf.rule[0]] == 10);
  CHECK(leaf.rules[leaf.rule[most_rows - 1]] == 0); // the end's
  check_lookups(table, tree);
}

TEST_CASE("unwind tree: leaves are filled", "[unwind]") {
  for (const std::size_t rows :
       {most_rows - 1, most_rows, 2 * most_rows - 1, 2 * most_rows}) { // and one for the end
    const UnwindTable table = table_of_steps(rows, 4);
    const UnwindTree tree = pack(table);
    const std::size_t leaves = rows / most_rows + 1;
    CHECK(tree.nodes.size() == (leaves == 1 ? 1 : leaves + 1));
    CHECK(used_rows(tree.nodes[0]) == most_rows);
    check_lookups(table, tree);
  }
}

TEST_CASE("unwind tree: a leaf spans less than 64 KiB less one byte", "[unwind]") {
  for (const auto& [distance, leaves] : {std::pair{0xfffeU, 1U}, std::pair{0xffffU, 2U}}) {
    const UnwindTable table = table_at({0x1000}, 0x1000 + distance);
    const UnwindTree tree = pack(table);
    CHECK(tree.nodes.size() == (leaves == 1 ? 1 : 3));
    CHECK(used_rows(tree.nodes[0]) == (leaves == 1 ? 2 : 1));
    check_lookups(table, tree);
  }
  const UnwindTable sparse = table_of_steps(1000, 0x20'0000); // rows of 2 MiB
  check_lookups(sparse, pack(sparse));
}

TEST_CASE("unwind tree: a leaf has so many different rules", "[unwind]") {
  UnwindTable table;
  table.rules = {only(LEAKBPF_CFA_NONE)};
  for (std::uint32_t i = 0; i < 3 * LEAKBPF_UNWIND_NODE_RULES; ++i) {
    table.rules.push_back(at(7, static_cast<int>(8 * i)));
    table.rows.push_back({0x1000 + 4 * i, static_cast<std::uint16_t>(i + 1)});
  }
  table.rows.push_back({0x9000, 0});
  const UnwindTree tree = pack(table);
  CHECK(tree.nodes.size() == 4 + 1);
  CHECK(used_rows(tree.nodes[0]) == LEAKBPF_UNWIND_NODE_RULES);
  check_lookups(table, tree);
}

TEST_CASE("unwind tree: levels lie one after the other", "[unwind]") {
  const UnwindTable table = table_of_steps(most_rows * 500, 8);
  const UnwindTree tree = pack(table);
  CHECK(tree.levels == 3);
  const std::size_t leaves = 500 + 1;
  REQUIRE(tree.nodes.size() == leaves + 2 + 1);
  CHECK(tree.root == first_node_id + tree.nodes.size() - 1);
  CHECK(tree.nodes[leaves].inner.first_child == first_node_id);
  CHECK(tree.nodes[leaves + 1].inner.first_child == first_node_id + 495);
  const auto& root = tree.nodes.back().inner;
  CHECK(root.first_child == first_node_id + leaves);
  CHECK(root.key[0] == table.rows[0].offset);
  CHECK(root.key[1] == table.rows[495 * most_rows].offset);
  CHECK(root.key[2] == 0xffff'ffff);
  check_lookups(table, tree);
}

TEST_CASE("unwind tree: up to the last offset", "[unwind]") {
  const UnwindTable table =
      table_at({0x1000, 0x8000'0000, 0xffff'0000}, static_cast<std::uint32_t>(0xffff'fffe));
  check_lookups(table, pack(table));
}

TEST_CASE("unwind tree: the tables of real files", "[unwind]") {
  for (const std::string& path : real_files()) {
    INFO(path);
    const UnwindTable table = table_of(open_elf(path));
    const UnwindTree tree = pack(table);
    CHECK(tree.levels <= LEAKBPF_UNWIND_MAX_LEVELS);
    check_lookups(table, tree);
  }
}
