// SPDX-License-Identifier: Apache-2.0
// Stacks merged into a tree, as a flame graph draws them.
#pragma once

#include "core/diff.h"
#include "core/report.h"

#include <cstdint>
#include <string>
#include <vector>

namespace leakbpf {

/// What a box is coloured by.
enum class FlameKind : std::uint8_t {
  root,
  process,
  native,
  runtime, ///< native, but an allocator, a language runtime or the standard library
  python,
  library, ///< Python, but a package or the standard library
  kernel,
  note, ///< why the stack ends here
};

/// What is drawn alike wherever it is called: a function.
struct FlameSymbol {
  FlameKind kind = FlameKind::native;
  std::string label; ///< clean text of bounded length: "Cart::add", "libx.so+0x12"
  std::string place; ///< so too: the source file, else the module; may be empty
};

/// Outstanding memory below one box.
struct FlameFigures {
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;

  FlameFigures& operator+=(const FlameFigures& other) {
    bytes += other.bytes;
    count += other.count;
    return *this;
  }
};

struct FlameNode {
  std::uint32_t symbol = 0; ///< index into FlameTree::symbols
  std::uint32_t depth = 0;  ///< 0: the root
  double x = 0;             ///< left edge, in the unit of `weight`
  double weight = 0;        ///< width in bytes: `now`; of a diff the larger side of each stack
  FlameFigures now;
  FlameFigures before; ///< of a diff
  // Lines of the function that call what is above it; 0: unknown.
  std::uint32_t first_line = 0;
  std::uint32_t last_line = 0;
  bool inlined = false; ///< in every stack
};

struct FlameTree {
  bool is_diff = false;
  std::vector<FlameSymbol> symbols;
  std::vector<FlameNode> nodes; ///< those to draw: a parent before its children, the widest first
  std::size_t hidden_paths = 0; ///< boxes that are left out, with all that is above them
  double hidden_weight = 0;     ///< of these
};

struct FlameLimits {
  double least_share = 0.1 / 1200; ///< of the root's width; what is narrower is left out
  /// About what the markup of all nodes may take; the widest are drawn first.
  std::size_t most_bytes = std::size_t{3} << 20;
  bool held = false; ///< containers that grow, too: the same memory once more
};

/// With several targets the boxes above the root are the processes, "comm (pid)".
[[nodiscard]] FlameTree make_flame_tree(const Report& report, const FlameLimits& limits = {});
[[nodiscard]] FlameTree make_flame_tree(const Diff& diff, const FlameLimits& limits = {});

} // namespace leakbpf
