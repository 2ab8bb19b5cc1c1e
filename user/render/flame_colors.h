// SPDX-License-Identifier: Apache-2.0
// Which class of flame.css a box of a flame graph gets.
#pragma once

#include "render/flame_tree.h"

#include <string>
#include <string_view>
#include <vector>

namespace leakbpf {

struct FlameColor {
  std::string_view name; ///< class in flame.css
  std::string_view meaning;
};

/// A report's boxes are coloured by kind, a diff's by how much they grew or shrank.
class FlameColors {
public:
  explicit FlameColors(const FlameTree& tree);

  /// Classes for the box, with a blank between them. Functions side by side mostly differ in shade.
  [[nodiscard]] std::string of(const FlameNode& node) const;
  /// Those that occur.
  [[nodiscard]] std::vector<FlameColor> legend() const;

private:
  [[nodiscard]] std::string change_class(const FlameNode& node) const;

  const FlameTree& tree_;
  double largest_change_ = 0;
};

} // namespace leakbpf
