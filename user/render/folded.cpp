// SPDX-License-Identifier: Apache-2.0
#include "render/folded.h"

#include "core/culprit.h"
#include "render/describe.h"
#include "render/frame_table.h"
#include "render/markup.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// A name that cannot be taken for anything else in its line. flamegraph.pl takes a second number
/// at the end of a line for a column, even when it is the end of a name.
std::string folded_name(const std::string& name) {
  std::string text = name.empty() ? "[unknown]" : clean_text(name);
  std::replace(text.begin(), text.end(), ';', ':');
  const std::size_t space = text.find_last_of(' ');
  if (space != std::string::npos &&
      text.find_first_not_of("0123456789.", space + 1) == std::string::npos)
    text[space] = '_';
  return text;
}

/// Adds up stacks whose lines are the same.
class FoldedStacks {
public:
  /// An element in front of the frames of the stacks that are added from here on; "": none.
  void begin_process(const std::string& name) {
    process_ = name.empty() ? std::vector<std::uint32_t>{} : std::vector{name_number(name)};
  }
  void add(const Frames& frames, std::uint64_t before, std::uint64_t after);
  /// `columns` is 1 (after) or 2.
  [[nodiscard]] std::string text(int columns) const;

private:
  struct Line {
    const std::vector<std::uint32_t>* names = nullptr; ///< a key of lines_by_names_
    std::uint64_t before = 0;
    std::uint64_t after = 0;
  };

  std::uint32_t name_number(const std::string& name) {
    const auto next = static_cast<std::uint32_t>(names_.size());
    const auto [known, is_new] = names_by_text_.try_emplace(folded_name(name), next);
    if (is_new)
      names_.push_back(&known->first);
    return known->second;
  }
  std::uint32_t name_number(const FrameRef& frame) {
    const std::uint32_t number = frames_.number(frame);
    if (number == names_by_frame_.size())
      names_by_frame_.push_back(name_number(describe_frame(*frame)));
    return names_by_frame_[number];
  }

  FrameTable frames_;
  std::vector<std::uint32_t> names_by_frame_;
  std::unordered_map<std::string, std::uint32_t> names_by_text_;
  std::vector<const std::string*> names_;
  std::vector<std::uint32_t> process_;
  std::unordered_map<std::vector<std::uint32_t>, std::size_t, NumbersHash> lines_by_names_;
  std::vector<Line> lines_;
};

void FoldedStacks::add(const Frames& frames, std::uint64_t before, std::uint64_t after) {
  if (before == 0 && after == 0)
    return;
  std::vector<std::uint32_t> names = process_;
  names.reserve(process_.size() + std::max<std::size_t>(frames.size(), 1));
  for (std::size_t i = frames.size(); i-- > 0;)
    names.push_back(name_number(frames[i]));
  if (frames.empty())
    names.push_back(name_number(std::string()));
  const auto [known, is_new] = lines_by_names_.try_emplace(std::move(names), lines_.size());
  if (is_new)
    lines_.push_back({&known->first, 0, 0});
  lines_[known->second].before += before;
  lines_[known->second].after += after;
}

std::string FoldedStacks::text(int columns) const {
  std::string out;
  for (const Line& line : lines_) {
    bool first = true;
    for (const std::uint32_t name : *line.names) {
      if (!first)
        out += ';';
      out += *names_[name];
      first = false;
    }
    if (columns > 1)
      fmt::format_to(std::back_inserter(out), " {}", line.before);
    fmt::format_to(std::back_inserter(out), " {}\n", line.after);
  }
  return out;
}

std::uint64_t outstanding(const std::optional<DiffFigures>& figures) {
  return figures ? figures->totals.outstanding_bytes() : 0;
}

} // namespace

std::string render_folded(const Report& report) {
  FoldedStacks stacks;
  for (const SiteReport& site : report.sites) {
    if (report.targets.size() > 1)
      stacks.begin_process(describe_process(report, site));
    stacks.add(site.frames, 0, site.totals.outstanding_bytes());
  }
  for (const HeldReport& row : report.held) {
    if (report.targets.size() > 1)
      stacks.begin_process(describe_process(report, row));
    stacks.add(held_stack(row), 0, row.bytes.value_or(0));
  }
  return stacks.text(1);
}

std::string render_folded(const Diff& diff) {
  FoldedStacks stacks;
  for (const DiffRow& row : diff.rows)
    stacks.add(row.frames, outstanding(row.before), outstanding(row.after));
  for (const HeldChange& row : diff.held)
    stacks.add(held_stack(row.row), row.before ? row.before->bytes : 0,
               row.after ? row.after->bytes : 0);
  return stacks.text(2);
}

} // namespace leakbpf
