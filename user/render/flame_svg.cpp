// SPDX-License-Identifier: Apache-2.0
#include "render/flame_svg.h"

#include "assets.h"
#include "core/units.h"
#include "render/describe.h"
#include "render/flame_colors.h"
#include "render/markup.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace leakbpf {

namespace {

// Pixels. flame.js lays the boxes out anew for the width that there is, by the same measures.
constexpr double width = 1200;
constexpr double margin = 12;
constexpr double row_height = 18;
constexpr double line_height = 20;
constexpr double column_width = 6.63; ///< of the 11 px fixed-width font
constexpr double text_indent = 4;

struct Heading {
  std::string title;
  std::vector<std::string> lines;
};

/// Where a function is: "/src/cart.cpp:42", or the lines from the first to the last.
std::string place(const FlameNode& node, const FlameSymbol& symbol) {
  std::string text = symbol.place;
  if (node.first_line != 0)
    text += fmt::format(":{}", node.first_line);
  if (node.last_line != node.first_line)
    text += fmt::format("–{}", node.last_line);
  return text + (node.inlined ? " (inlined)" : "");
}

std::string amount(const FlameTree& tree, const FlameNode& node) {
  const auto bytes = [](std::uint64_t value) { return format_bytes(static_cast<double>(value)); };
  const double all = tree.nodes.front().weight;
  const double share = all > 0 ? 100 * node.weight / all : 0;
  if (!tree.is_diff)
    return fmt::format("{} in {} {}, {:.1f}% of all", bytes(node.now.bytes),
                       format_count(node.now.count), node.now.count == 1 ? "block" : "blocks",
                       share);
  const double change =
      static_cast<double>(node.now.bytes) - static_cast<double>(node.before.bytes);
  return fmt::format("{}: {} before, {} after; {} blocks before, {} after", format_change(change),
                     bytes(node.before.bytes), bytes(node.now.bytes),
                     format_count(node.before.count), format_count(node.now.count));
}

/// A box. Its tooltip has a line for the name, one for the place and one for the amount: flame.js
/// takes its texts from there, so that they are in the file only once.
void write_node(std::string& out, const FlameTree& tree, const FlameNode& node,
                const std::string& classes) {
  const FlameSymbol& symbol = tree.symbols[node.symbol];
  const double scale = (width - 2 * margin) / std::max(tree.nodes.front().weight, 1.0);
  const double y = row_height * node.depth;
  auto to = std::back_inserter(out);
  fmt::format_to(to, "<g class=\"{}\"><title>{}\n{}\n{}</title>", classes,
                 escape_markup(symbol.label), escape_markup(place(node, symbol)),
                 amount(tree, node));
  fmt::format_to(to, R"(<rect x="{:.8g}" y="{}" width="{:.8g}" height="{}"/>)", node.x * scale, y,
                 node.weight * scale, row_height - 1);
  const auto columns =
      static_cast<std::size_t>((node.weight * scale - 2 * text_indent) / column_width);
  if (node.weight * scale > 2 * text_indent && columns >= 2)
    fmt::format_to(to, R"(<text x="{:.6g}" y="{}">{}</text>)", node.x * scale + text_indent, y + 13,
                   escape_markup(cut_text(symbol.label, columns)));
  out += "</g>\n";
}

/// Writes the parts of a flame graph from the top to the bottom.
class Drawing {
public:
  Drawing(const FlameTree& tree) : tree_(tree), colors_(tree) {}

  void heading(const Heading& heading) {
    y_ += 30;
    body_ += fmt::format("<text class=\"title\" x=\"{}\" y=\"{}\">{}</text>\n", margin, y_,
                         escape_markup(heading.title));
    y_ += 5;
    for (const std::string& line : heading.lines)
      text_line("line", line);
    y_ += 6;
  }

  void legend() {
    body_ += fmt::format("<g class=\"legend\" transform=\"translate({},{})\">", margin, y_);
    double x = 0;
    for (const FlameColor& color : colors_.legend()) {
      body_ += fmt::format("<g class=\"{}\" transform=\"translate({:.0f},0)\">"
                           "<rect y=\"4\" width=\"12\" height=\"12\" rx=\"2\"/>"
                           "<text x=\"17\" y=\"14\">{}</text></g>",
                           color.name, x, color.meaning);
      x += 40 + 6.4 * static_cast<double>(color.meaning.size());
    }
    body_ += "</g>\n";
    y_ += 26;
  }

  void boxes() {
    // flame.js puts its search field here.
    body_ += fmt::format("<g class=\"controls\" transform=\"translate({},{})\"></g>\n", margin, y_);
    y_ += 34;
    body_ += fmt::format("<g class=\"frames\" transform=\"translate({},{})\">\n", margin, y_);
    std::uint32_t deepest = 0;
    for (const FlameNode& node : tree_.nodes) {
      write_node(body_, tree_, node, colors_.of(node));
      deepest = std::max(deepest, node.depth);
    }
    body_ += "</g>\n";
    y_ += row_height * (deepest + 1) + 6;
  }

  void hidden() {
    if (tree_.nodes.front().weight <= 0)
      text_line("line", "Nothing allocated since leakbpf attached is outstanding.");
    if (tree_.hidden_paths > 0)
      text_line("line", fmt::format("Not drawn: {} narrow {} with all below, {} in all.",
                                    format_count(tree_.hidden_paths),
                                    tree_.hidden_paths == 1 ? "box" : "boxes",
                                    format_bytes(tree_.hidden_weight)));
  }

  void text_line(const char* name, const std::string& text) {
    y_ += line_height;
    body_ += fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\">{}</text>\n", name, margin, y_ - 4,
                         escape_markup(text));
  }

  /// The element; `inner` comes first in it.
  [[nodiscard]] std::string take(const std::string& name, const std::string& inner) {
    y_ += 32; // flame.js shows what is pointed at here
    return fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"flame\" "
                       "width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" role=\"group\" "
                       "aria-label=\"{2}\">\n{3}"
                       "<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n{4}</svg>\n",
                       width, y_, escape_markup(name), inner, body_);
  }

private:
  const FlameTree& tree_;
  FlameColors colors_;
  std::string body_;
  double y_ = 0;
};

std::string stand_alone(const FlameTree& tree, const Heading& heading) {
  Drawing drawing(tree);
  drawing.heading(heading);
  drawing.legend();
  drawing.boxes();
  drawing.hidden();
  const std::string style = fmt::format("<style>{}</style>\n", assets::flame_css);
  std::string svg =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + drawing.take(heading.title, style);
  // At the end, when all that it works on is there.
  svg.insert(svg.rfind("</svg>"),
             fmt::format("<script><![CDATA[{}\nleakbpfFlame(document.documentElement, true);]]>"
                         "</script>\n",
                         assets::flame_js));
  return svg;
}

Heading heading_of(const Report& report) {
  Heading heading{fmt::format("Outstanding memory of {}", describe_targets(report.targets)), {}};
  heading.lines.push_back(describe_run(report));
  constexpr std::size_t most_verdicts = 3;
  for (const std::size_t target : worst_first(report.targets)) {
    if (heading.lines.size() > most_verdicts)
      break;
    heading.lines.push_back(describe_verdict(report.targets[target]));
  }
  if (report.site_count > report.sites.size())
    heading.lines.push_back(fmt::format("Of {} stacks, these are the first {}.",
                                        format_count(report.site_count),
                                        format_count(report.sites.size())));
  return heading;
}

Heading heading_of(const Diff& diff) {
  Heading heading{fmt::format("Change of outstanding memory of {}: {}",
                              describe_targets(diff.after.targets),
                              format_change(static_cast<double>(diff.after.outstanding_bytes) -
                                            static_cast<double>(diff.before.outstanding_bytes))),
                  {}};
  heading.lines.push_back("Before: " + describe_side(diff.before));
  heading.lines.push_back("After: " + describe_side(diff.after));
  heading.lines.emplace_back("The width of a box is the larger of before and after.");
  return heading;
}

/// A page has a section for containers; a picture has no other place for them.
FlameLimits with_held() {
  FlameLimits limits;
  limits.held = true;
  return limits;
}

} // namespace

std::string render_svg(const Report& report) {
  return stand_alone(make_flame_tree(report, with_held()), heading_of(report));
}

std::string render_svg(const Diff& diff) {
  return stand_alone(make_flame_tree(diff, with_held()), heading_of(diff));
}

std::string flame_element(const FlameTree& tree) {
  Drawing drawing(tree);
  drawing.legend();
  drawing.boxes();
  drawing.hidden();
  return drawing.take(tree.is_diff ? "Flame graph of the change" : "Flame graph", "");
}

} // namespace leakbpf
