// SPDX-License-Identifier: Apache-2.0
#include "flame_sample.h"
#include "render/flame_colors.h"
#include "render/flame_svg.h"
#include "render/flame_tree.h"

#include <algorithm>
#include <map>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

namespace leakbpf {
namespace {

/// One box a line, indented by depth: "all 100", "  main 100".
std::string outline(const FlameTree& tree) {
  std::string text;
  for (const FlameNode& node : tree.nodes)
    text += fmt::format("{:{}}{} {}\n", "", 2 * node.depth, tree.symbols[node.symbol].label,
                        node.weight);
  return text;
}

const FlameNode& find_node(const FlameTree& tree, const std::string& label) {
  const auto found = std::find_if(tree.nodes.begin(), tree.nodes.end(), [&](const FlameNode& node) {
    return tree.symbols[node.symbol].label == label;
  });
  REQUIRE(found != tree.nodes.end());
  return *found;
}

std::string class_of(const FlameTree& tree, const std::string& label) {
  const std::string classes = FlameColors(tree).of(find_node(tree, label));
  return classes.substr(0, classes.find(' '));
}

FrameRef frame_of(FrameKind kind, const std::string& function, const std::string& module,
                  const std::string& file) {
  return Frame{kind, function, module, "", std::nullopt, file, 3, false};
}

const FrameRef render_frame = application_frame("render", 30);

TEST_CASE("stacks that begin alike share their boxes, the widest first", "[flame]") {
  const Report report = flame_report(
      {flame_site(32, {main_frame, serve_frame}), flame_site(128, {main_frame, render_frame}),
       flame_site(16, {main_frame}), flame_site(64, {main_frame, serve_frame, render_frame})});
  const FlameTree tree = make_flame_tree(report);
  CHECK(outline(tree) == "all 240\n"
                         "  main 240\n"
                         "    render 128\n"
                         "    serve 96\n"
                         "      render 64\n");
  CHECK(find_node(tree, "serve").now.count == 6);
  CHECK(find_node(tree, "serve").x == 128);
  CHECK(tree.hidden_paths == 0);
}

TEST_CASE("the tree does not depend on the order of the sites", "[flame]") {
  std::vector<SiteReport> sites;
  for (std::uint64_t i = 0; i < 6; i++)
    sites.push_back(
        flame_site(16 * (1 + i / 2), {main_frame, application_frame(fmt::format("f{}", i))}));
  const std::string expected = outline(make_flame_tree(flame_report(sites)));
  for (int turn = 0; turn < 5; turn++) {
    std::rotate(sites.begin(), sites.begin() + 1, sites.end());
    std::swap(sites[0], sites[3]);
    CHECK(outline(make_flame_tree(flame_report(sites))) == expected);
  }
}

TEST_CASE("calls from different lines of a function are one box with its lines", "[flame]") {
  const FlameTree tree =
      make_flame_tree(flame_report({flame_site(16, {application_frame("main", 9), serve_frame}),
                                    flame_site(16, {application_frame("main", 4), render_frame}),
                                    flame_site(16, {application_frame("main"), render_frame})}));
  CHECK(tree.nodes.size() == 4);
  CHECK(find_node(tree, "main").first_line == 4);
  CHECK(find_node(tree, "main").last_line == 9);
}

TEST_CASE("functions of the same name in different files stay apart", "[flame]") {
  const FlameTree tree = make_flame_tree(
      flame_report({flame_site(16, {frame_of(FrameKind::python, "get", "", "/srv/a.py")}),
                    flame_site(32, {frame_of(FrameKind::python, "get", "", "/srv/b.py")})}));
  CHECK(outline(tree) == "all 48\n  get 32\n  get 16\n");
}

TEST_CASE("long names that differ only at their end stay apart", "[flame]") {
  const std::string long_name(5000, 'x');
  const FlameTree tree =
      make_flame_tree(flame_report({flame_site(16, {application_frame(long_name + "1")}),
                                    flame_site(16, {application_frame(long_name + "2")})}));
  CHECK(tree.nodes.size() == 3);
  CHECK(tree.symbols[tree.nodes[1].symbol].label.size() < 400);
}

TEST_CASE("parameters are no part of a name, and what has no name is told by its place",
          "[flame]") {
  const FrameRef nameless = Frame{FrameKind::native, "", "/lib/libx.so", "", 0x12, "", 0, false};
  const FlameTree tree = make_flame_tree(flame_report(
      {flame_site(16, {frame_of(FrameKind::native, "Cart::add(int)", "/srv/shop", "")}),
       flame_site(32, {nameless}), flame_site(8, {})}));
  CHECK(outline(tree) == "all 56\n  libx.so+0x12 32\n  Cart::add 16\n  [unknown] 8\n");
}

TEST_CASE("several targets are the first boxes", "[flame]") {
  const FlameTree tree = make_flame_tree(
      flame_report({flame_site(16, {main_frame}, 0), flame_site(48, {main_frame}, 1)}, 2));
  CHECK(outline(tree) == "all 64\n  shop (101) 48\n    main 48\n  shop (100) 16\n    main 16\n");
}

TEST_CASE("what is all freed has no box", "[flame]") {
  SiteReport freed = flame_site(64, {main_frame});
  freed.totals.freed_bytes = 64;
  CHECK(outline(make_flame_tree(flame_report({freed}))) == "all 0\n");
  CHECK(render_svg(flame_report({freed})).find("Nothing allocated since") != std::string::npos);
}

TEST_CASE("boxes that are too narrow are left out and told", "[flame]") {
  const Report report = flame_report({flame_site(1'000'000, {main_frame}),
                                      flame_site(64, {main_frame, serve_frame, render_frame}),
                                      flame_site(32, {render_frame})});
  const FlameTree tree = make_flame_tree(report);
  CHECK(outline(tree) == "all 1000096\n  main 1000064\n");
  CHECK(tree.hidden_paths == 2);
  CHECK(tree.hidden_weight == 96);
  CHECK(render_svg(report).find("Not drawn: 2 narrow boxes with all below, 96 B in all.") !=
        std::string::npos);
}

TEST_CASE("when space is short the widest boxes are drawn", "[flame]") {
  std::vector<SiteReport> sites;
  for (std::uint64_t i = 1; i <= 100; i++)
    sites.push_back(flame_site(16 * i, {application_frame(fmt::format("f{}", i)), serve_frame}));
  const FlameTree tree = make_flame_tree(flame_report(sites), {0, 5000});
  REQUIRE(tree.nodes.size() > 10);
  REQUIRE(tree.nodes.size() < 30);
  CHECK(find_node(tree, "f100").weight == 1600);
  double drawn = 0;
  for (const FlameNode& node : tree.nodes)
    drawn += node.depth == 1 ? node.weight : 0;
  double cut_above = 0; // the last box drawn may have lost its callee
  for (std::size_t i = 1; i < tree.nodes.size(); i++)
    if (tree.nodes[i].depth == 1 && (i + 1 == tree.nodes.size() || tree.nodes[i + 1].depth == 1))
      cut_above += tree.nodes[i].weight;
  CHECK(drawn + tree.hidden_weight == tree.nodes.front().weight + cut_above);
}

TEST_CASE("a box lies within its parent", "[flame]") {
  std::vector<SiteReport> sites;
  for (std::uint64_t i = 0; i < 200; i++) {
    std::vector<FrameRef> frames;
    for (std::uint64_t depth = 0; depth < 12; depth++)
      frames.push_back(application_frame(fmt::format("f{}", (i * 7919 >> depth) % 5)));
    sites.push_back(flame_site(16 + i, frames));
  }
  const FlameTree tree = make_flame_tree(flame_report(sites));
  std::map<std::uint32_t, FlameNode> open;
  for (const FlameNode& node : tree.nodes) {
    if (node.depth > 0) {
      const FlameNode& parent = open.at(node.depth - 1);
      REQUIRE(node.x >= parent.x);
      REQUIRE(node.x + node.weight <= parent.x + parent.weight);
    }
    open[node.depth] = node;
  }
}

TEST_CASE("boxes are coloured by whose code they are", "[flame]") {
  const FlameTree tree = make_flame_tree(flame_report({flame_site(
      16, {main_frame, frame_of(FrameKind::kernel, "sys_mmap", "", ""),
           frame_of(FrameKind::python, "view", "", "/srv/app/views.py"),
           frame_of(FrameKind::python, "loads", "", "/usr/lib/python3.11/json/__init__.py"),
           frame_of(FrameKind::native, "malloc", "/lib/libc.so.6", ""),
           frame_of(FrameKind::note, "the stack ends here", "", "")})}));
  CHECK(class_of(tree, "all") == "a");
  CHECK(class_of(tree, "main") == "n");
  CHECK(class_of(tree, "sys_mmap") == "k");
  CHECK(class_of(tree, "view") == "p");
  CHECK(class_of(tree, "loads") == "q");
  CHECK(class_of(tree, "malloc") == "r");
  CHECK(class_of(tree, "[the stack ends here]") == "t");
}

TEST_CASE("a diff is red where it grew and blue where it shrank, also where all is gone",
          "[flame]") {
  const Diff diff = flame_diff({diff_row(1600, 3200, {main_frame, application_frame("grew")}),
                                diff_row(0, 160, {main_frame, application_frame("came")}),
                                diff_row(800, 80, {main_frame, application_frame("shrank")}),
                                diff_row(640, 0, {main_frame, application_frame("gone")}),
                                diff_row(320, 320, {main_frame, application_frame("same")})});
  const FlameTree tree = make_flame_tree(diff);
  CHECK(class_of(tree, "grew") == "up5");
  CHECK(class_of(tree, "came") == "up2");
  CHECK(class_of(tree, "shrank") == "down4");
  CHECK(class_of(tree, "gone") == "down4");
  CHECK(class_of(tree, "same") == "same");
  CHECK(find_node(tree, "gone").weight == 640);
  CHECK(find_node(tree, "gone").before.count == 40);
  CHECK(find_node(tree, "main").before.bytes == 3360);
  CHECK(find_node(tree, "main").now.bytes == 3760);
  const std::string svg = render_svg(diff);
  CHECK(svg.find("Change of outstanding memory of shop (100): +400 B") != std::string::npos);
  CHECK(svg.find("-640 B: 640 B before, 0 B after") != std::string::npos);
}

TEST_CASE("hostile names cannot leave their place in the SVG", "[flame]") {
  const std::string harmless = render_svg(flame_report({flame_site(64, {main_frame})}));
  for (const std::string& text : hostile_texts()) {
    CAPTURE(text);
    Report report = flame_report({flame_site(64, {frame_of(FrameKind::native, text, text, text),
                                                  frame_of(FrameKind::note, text, "", "")})});
    report.host.hostname = report.targets[0].comm = report.started_at = text;
    report.targets[0].verdict.reasons = {text};
    const std::string svg = render_svg(report);
    for (const char* part : {"<script", "</script>", "]]>", "<![CDATA[", "<svg", "<img", "<!--"})
      CHECK(count_of(svg, part) == count_of(harmless, part));
    for (const char* part : {"\xff", "\x1b", "\a", "\u202e", "\ufffe"})
      CHECK(svg.find(part) == std::string::npos);
    CHECK(svg.find('\0') == std::string::npos);
  }
}

TEST_CASE("20,000 stacks of 60 frames with long names make a file of bounded size", "[flame]") {
  const std::string parameters(400, '<');
  std::vector<FrameRef> functions;
  for (int i = 0; i < 3000; i++)
    functions.push_back(application_frame(fmt::format("std::map{}::f{}", parameters, i)));
  std::vector<SiteReport> sites;
  for (std::size_t i = 0; i < 20'000; i++) {
    std::vector<FrameRef> frames;
    for (std::size_t depth = 0; depth < 60; depth++)
      frames.push_back(functions[(depth < 20 ? depth : i * 31 + depth * depth) % functions.size()]);
    sites.push_back(flame_site(16 + i * i / 100, frames));
  }
  const std::string svg = render_svg(flame_report(std::move(sites)));
  CHECK(svg.size() < std::size_t{5} << 20);
  CHECK(svg.find("Not drawn: ") != std::string::npos);
}

TEST_CASE("a stack of any depth is drawn without recursion", "[flame]") {
  const std::vector<FrameRef> frames(200'000, main_frame);
  const FlameTree tree = make_flame_tree(flame_report({flame_site(64, frames)}));
  CHECK(tree.nodes.size() > 1000);
  CHECK(tree.hidden_paths == 1);
}

} // namespace
} // namespace leakbpf
