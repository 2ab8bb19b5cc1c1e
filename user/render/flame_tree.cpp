// SPDX-License-Identifier: Apache-2.0
#include "render/flame_tree.h"

#include "render/describe.h"
#include "render/flame_symbols.h"

#include <algorithm>
#include <deque>
#include <numeric>
#include <queue>
#include <tuple>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// One stack with its memory.
struct Stack {
  std::vector<std::uint32_t> symbols; ///< outermost first, the process before it
  const Frames* frames = nullptr;
  double weight = 0;
  FlameFigures now;
  FlameFigures before;

  /// The frame at `depth`; nothing for the process, and for a stack without frames.
  [[nodiscard]] const Frame* frame(std::size_t depth) const {
    const std::size_t from_inside = symbols.size() - 1 - depth;
    return from_inside < frames->size() ? (*frames)[from_inside].id() : nullptr;
  }
};

/// A box: the stacks from `first` to before `last` begin with the same symbols.
struct Box {
  FlameNode node;
  std::size_t first = 0;
  std::size_t last = 0;
  std::size_t parent = 0;            ///< index into FlameTreeBuilder::boxes_
  std::vector<std::size_t> children; ///< those that are drawn
};

/// Grows the tree from the root, always at the widest box there is, until all is drawn that can be
/// seen or the space is used up. Thus no box is made that is left out, of which there may be many.
class FlameTreeBuilder {
public:
  FlameTreeBuilder(std::vector<Stack> stacks, FlameSymbols& symbols, const FlameLimits& limits)
      : stacks_(std::move(stacks)), symbols_(symbols), limits_(limits) {
    // Stacks that begin alike come to lie side by side.
    std::stable_sort(stacks_.begin(), stacks_.end(),
                     [](const Stack& a, const Stack& b) { return a.symbols < b.symbols; });
  }

  [[nodiscard]] FlameTree build(std::uint32_t root_symbol) {
    Box root = make_box(0, stacks_.size(), 0);
    root.node.symbol = root_symbol;
    least_weight_ = root.node.weight * limits_.least_share;
    offer(std::move(root));
    while (!queue_.empty()) {
      const std::size_t box = queue_.top();
      queue_.pop();
      draw(box);
    }
    list(0);
    return std::move(tree_);
  }

private:
  /// About the bytes that flame_svg.cpp writes for a box.
  [[nodiscard]] std::size_t cost(const FlameNode& node) const {
    const FlameSymbol& symbol = symbols_.at(node.symbol);
    const auto escaped = [](const std::string& text) {
      return text.size() +
             4 * static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
               return c == '<' || c == '>' || c == '&' || c == '\'' || c == '"';
             }));
    };
    return 190 + escaped(symbol.label) + escaped(symbol.place);
  }

  /// `depth` counts the root, which stands for no symbol of the stacks.
  [[nodiscard]] Box make_box(std::size_t first, std::size_t last, std::uint32_t depth) const {
    Box box;
    box.first = first;
    box.last = last;
    box.node.depth = depth;
    box.node.inlined = depth > 0 && first < last;
    for (std::size_t i = first; i < last; i++) {
      const Stack& stack = stacks_[i];
      box.node.weight += stack.weight;
      box.node.now += stack.now;
      box.node.before += stack.before;
      const Frame* frame = depth > 0 ? stack.frame(depth - 1) : nullptr;
      box.node.inlined = box.node.inlined && frame && frame->inlined;
      if (!frame || frame->line == 0)
        continue;
      std::uint32_t& low = box.node.first_line;
      low = low == 0 ? frame->line : std::min(low, frame->line);
      box.node.last_line = std::max(box.node.last_line, frame->line);
    }
    if (depth > 0)
      box.node.symbol = stacks_[first].symbols[depth - 1];
    return box;
  }

  void offer(Box box) {
    boxes_.push_back(std::move(box));
    queue_.push(boxes_.size() - 1);
  }

  void hide(const Box& box) {
    tree_.hidden_paths++;
    tree_.hidden_weight += box.node.weight;
  }

  void draw(std::size_t index) {
    Box& box = boxes_[index]; // stays where it is: a deque
    used_bytes_ += cost(box.node);
    if (index > 0 && used_bytes_ > limits_.most_bytes)
      return hide(box);
    if (index > 0)
      boxes_[box.parent].children.push_back(index);
    std::vector<Box> children = split(box);
    std::sort(children.begin(), children.end(),
              [this](const Box& a, const Box& b) { return is_left_of(a.node, b.node); });
    double x = box.node.x;
    for (Box& child : children) {
      child.node.x = x;
      child.parent = index;
      x += child.node.weight;
      if (child.node.weight < least_weight_)
        hide(child);
      else
        offer(std::move(child));
    }
  }

  [[nodiscard]] std::vector<Box> split(const Box& box) const {
    std::vector<Box> children;
    const std::size_t depth = box.node.depth;
    std::size_t first = box.first;
    while (first < box.last && stacks_[first].symbols.size() == depth)
      first++; // these end here, and sort before those that go on
    while (first < box.last) {
      std::size_t last = first + 1;
      while (last < box.last && stacks_[last].symbols[depth] == stacks_[first].symbols[depth])
        last++;
      children.push_back(make_box(first, last, static_cast<std::uint32_t>(depth + 1)));
      first = last;
    }
    return children;
  }

  [[nodiscard]] bool is_left_of(const FlameNode& a, const FlameNode& b) const {
    if (a.weight > b.weight || a.weight < b.weight)
      return a.weight > b.weight;
    const FlameSymbol& left = symbols_.at(a.symbol);
    const FlameSymbol& right = symbols_.at(b.symbol);
    return std::tie(left.label, left.place, left.kind) <
           std::tie(right.label, right.place, right.kind);
  }

  /// Lists the drawn boxes in the order of FlameTree::nodes. Without recursion: a stack in a file
  /// may be of any depth.
  void list(std::size_t root) {
    std::vector<std::size_t> open{root};
    while (!open.empty()) {
      const Box& box = boxes_[open.back()];
      open.pop_back();
      tree_.nodes.push_back(box.node);
      std::vector<std::size_t> children = box.children;
      std::sort(children.begin(), children.end(), [this](std::size_t a, std::size_t b) {
        return boxes_[a].node.x > boxes_[b].node.x;
      });
      open.insert(open.end(), children.begin(), children.end());
    }
  }

  /// The widest first; of equals the deepest, so that some stacks are whole rather than all cut.
  struct Narrower {
    const std::deque<Box>* boxes;
    bool operator()(std::size_t a, std::size_t b) const {
      const FlameNode& left = (*boxes)[a].node;
      const FlameNode& right = (*boxes)[b].node;
      return std::make_tuple(left.weight, left.depth, b) <
             std::make_tuple(right.weight, right.depth, a);
    }
  };

  std::vector<Stack> stacks_;
  FlameSymbols& symbols_;
  FlameLimits limits_;
  FlameTree tree_;
  std::deque<Box> boxes_;
  std::priority_queue<std::size_t, std::vector<std::size_t>, Narrower> queue_{Narrower{&boxes_}};
  double least_weight_ = 0;
  std::size_t used_bytes_ = 0;
};

void append_frames(Stack& stack, FlameSymbols& symbols, const Frames& frames) {
  stack.frames = &frames;
  stack.symbols.reserve(frames.size() + 1);
  for (std::size_t i = frames.size(); i-- > 0;)
    stack.symbols.push_back(symbols.of(frames[i]));
  if (frames.empty())
    stack.symbols.push_back(symbols.of(FlameKind::note, "[unknown]"));
}

FlameFigures figures_of(const SiteTotals& totals) {
  return {totals.outstanding_bytes(), totals.outstanding_count()};
}

FlameFigures figures_of(const std::optional<DiffFigures>& side) {
  return side ? figures_of(side->totals) : FlameFigures{};
}

/// Frames of what has no row of its own to keep them; they stay where they are.
using KeptFrames = std::deque<Frames>;

FlameFigures figures_of(const std::optional<HeldFigures>& side) {
  return side ? FlameFigures{side->bytes, side->entries} : FlameFigures{};
}

void add_held(std::vector<Stack>& stacks, FlameSymbols& symbols, const std::string& process,
              const Frames& frames, FlameFigures now, FlameFigures before) {
  Stack stack;
  stack.now = now;
  stack.before = before;
  stack.weight = static_cast<double>(std::max(now.bytes, before.bytes));
  if (stack.weight <= 0)
    return;
  if (!process.empty())
    stack.symbols.push_back(symbols.of(FlameKind::process, process));
  append_frames(stack, symbols, frames);
  stacks.push_back(std::move(stack));
}

FlameTree finish(std::vector<Stack> stacks, FlameSymbols& symbols, const FlameLimits& limits) {
  const std::uint32_t root = symbols.of(FlameKind::root, "all");
  FlameTree tree = FlameTreeBuilder(std::move(stacks), symbols, limits).build(root);
  tree.symbols = symbols.take();
  return tree;
}

} // namespace

FlameTree make_flame_tree(const Report& report, const FlameLimits& limits) {
  FlameSymbols symbols;
  std::vector<Stack> stacks;
  stacks.reserve(report.sites.size());
  for (const SiteReport& site : report.sites) {
    if (site.totals.outstanding_bytes() == 0)
      continue;
    Stack& stack = stacks.emplace_back();
    stack.now = figures_of(site.totals);
    stack.weight = static_cast<double>(stack.now.bytes);
    if (report.targets.size() > 1)
      stack.symbols.push_back(symbols.of(FlameKind::process, describe_process(report, site)));
    append_frames(stack, symbols, site.frames);
  }
  KeptFrames kept;
  if (limits.held)
    for (const HeldReport& row : report.held) {
      FlameFigures figures{row.bytes.value_or(0), row.entries};
      const std::string process = report.targets.size() > 1 ? describe_process(report, row) : "";
      add_held(stacks, symbols, process, kept.emplace_back(held_stack(row)), figures, {});
    }
  return finish(std::move(stacks), symbols, limits);
}

FlameTree make_flame_tree(const Diff& diff, const FlameLimits& limits) {
  FlameSymbols symbols;
  std::vector<Stack> stacks;
  stacks.reserve(diff.rows.size());
  for (const DiffRow& row : diff.rows) {
    Stack stack;
    stack.now = figures_of(row.after);
    stack.before = figures_of(row.before);
    stack.weight = static_cast<double>(std::max(stack.now.bytes, stack.before.bytes));
    if (stack.weight <= 0)
      continue;
    append_frames(stack, symbols, row.frames);
    stacks.push_back(std::move(stack));
  }
  KeptFrames kept;
  if (limits.held)
    for (const HeldChange& row : diff.held)
      add_held(stacks, symbols, "", kept.emplace_back(held_stack(row.row)), figures_of(row.after),
               figures_of(row.before));
  FlameTree tree = finish(std::move(stacks), symbols, limits);
  tree.is_diff = true;
  return tree;
}

} // namespace leakbpf
