// SPDX-License-Identifier: Apache-2.0
#include "render/flame_colors.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace leakbpf {

namespace {

// In the order of FlameKind.
constexpr std::array<FlameColor, 8> kind_colors{{
    {"a", "all"},
    {"o", "process"},
    {"n", "native"},
    {"r", "allocator, runtime"},
    {"p", "Python"},
    {"q", "Python library"},
    {"k", "kernel"},
    {"t", "stack ends early"},
}};

constexpr std::array<FlameColor, 3> change_colors{{
    {"up5", "grew"},
    {"down5", "shrank"},
    {"same", "did not change"},
}};

constexpr int change_levels = 5; ///< classes up1 to up5 and down1 to down5

double change_of(const FlameNode& node) {
  return static_cast<double>(node.now.bytes) - static_cast<double>(node.before.bytes);
}

/// FNV-1a, by Fowler, Noll and Vo: the same shade for a name in every run.
unsigned shade_of(std::string_view label) {
  std::uint32_t hash = 2166136261U;
  for (const char c : label)
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return (hash >> 8) % 3;
}

} // namespace

FlameColors::FlameColors(const FlameTree& tree) : tree_(tree) {
  for (const FlameNode& node : tree.nodes)
    largest_change_ = std::max(largest_change_, std::abs(change_of(node)));
}

std::string FlameColors::of(const FlameNode& node) const {
  if (tree_.is_diff)
    return change_class(node);
  const FlameSymbol& symbol = tree_.symbols[node.symbol];
  const std::string_view name = kind_colors.at(static_cast<std::size_t>(symbol.kind)).name;
  const unsigned shade = shade_of(symbol.label);
  return shade == 0 ? std::string(name) : fmt::format("{} s{}", name, shade);
}

std::string FlameColors::change_class(const FlameNode& node) const {
  const double change = change_of(node);
  if (change == 0)
    return "same";
  // The square root, or else all but the root would be pale.
  const double share = std::sqrt(std::abs(change) / largest_change_);
  const int level =
      std::clamp(static_cast<int>(std::ceil(share * change_levels)), 1, change_levels);
  return fmt::format("{}{}", change > 0 ? "up" : "down", level);
}

std::vector<FlameColor> FlameColors::legend() const {
  if (tree_.is_diff)
    return {change_colors.begin(), change_colors.end()};
  std::array<bool, kind_colors.size()> occurs{};
  for (const FlameNode& node : tree_.nodes)
    occurs.at(static_cast<std::size_t>(tree_.symbols[node.symbol].kind)) = true;
  std::vector<FlameColor> colors;
  for (std::size_t i = 1; i < kind_colors.size(); i++) // the root needs no word
    if (occurs.at(i))
      colors.push_back(kind_colors.at(i));
  return colors;
}

} // namespace leakbpf
