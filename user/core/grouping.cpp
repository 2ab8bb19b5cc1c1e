// SPDX-License-Identifier: Apache-2.0
#include "core/grouping.h"

#include "core/culprit.h"
#include "core/python_file.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// The application's frames that follow each other without other code between, counted from the
/// outside. Of native code all that is no runtime is the application's; where there is Python, only
/// Python's counts.
struct Segment {
  std::size_t outermost = 0; ///< index into the frames
  std::size_t innermost = 0;
  bool starts = false; ///< it holds a frame that only starts the program
};

std::vector<Segment> application_segments(const Frames& frames) {
  std::vector<Segment> segments;
  const bool python = has_python(frames);
  bool open = false;
  for (std::size_t i = frames.size(); i-- > 0;) {
    const Frame& frame = frames[i];
    if (python && frame.kind != FrameKind::python)
      continue; // the interpreter, and what it is called through
    if (!is_application(frame)) {
      open = false;
      continue;
    }
    if (!open)
      segments.push_back({i, i, false});
    open = true;
    segments.back().innermost = i;
    segments.back().starts = segments.back().starts || only_starts(frame);
  }
  return segments;
}

std::string line_key(const Frame& frame) {
  if (!frame.file.empty())
    return fmt::format("{}:{}", frame.file, frame.line);
  if (frame.offset) // containers may have other files by the same name
    return fmt::format("{} {}+{:#x}", frame.build_id, frame.module, *frame.offset);
  return frame.function;
}

std::string function_key(const Frame& frame) {
  if (frame.function.empty())
    return line_key(frame);
  return fmt::format("{} {}", frame.function,
                     frame.kind == FrameKind::python ? frame.file : frame.module);
}

/// What is no part of the key must not be shown as if it were.
Frame without_line(Frame frame) {
  frame.line = 0;
  if (!frame.function.empty())
    frame.offset.reset();
  frame.inlined = false;
  frame.tail_call = false;
  return frame;
}

} // namespace

std::size_t find_handler(const Frames& frames) {
  const std::vector<Segment> segments = application_segments(frames);
  if (segments.empty())
    return find_culprit(frames);
  if (segments.size() > 1 && segments.front().starts)
    return segments[1].outermost;
  // One segment: the first frame that does more than start the program.
  const Segment& only = segments.front();
  for (std::size_t i = only.outermost + 1; i-- > only.innermost;)
    if (is_application(frames[i]) && !only_starts(frames[i]))
      return i;
  return only.outermost;
}

GroupFrame group_frame(GroupBy by, const Frames& frames, std::size_t culprit) {
  if (frames.empty())
    return {};
  const Frame& frame = frames[by == GroupBy::handler ? find_handler(frames) : culprit];
  switch (by) {
  case GroupBy::line:
    return {line_key(frame), frame};
  case GroupBy::module: {
    Frame module;
    module.kind = frame.kind;
    module.module = frame.kind == FrameKind::python ? frame.file : frame.module;
    return {module.module, module};
  }
  default:
    return {function_key(frame), without_line(frame)};
  }
}

namespace {

std::string row_key(GroupBy by, const SiteReport& site, const GroupFrame& group) {
  return by == GroupBy::process ? std::to_string(site.key.target)
                                : fmt::format("{} {}", static_cast<int>(site.key.kind), group.key);
}

} // namespace

void SiteMerger::add(SiteReport site, GroupFrame group) {
  std::string key = row_key(by_, site, group);
  const auto [known, is_new] = row_of_.emplace(key, rows_.size());
  site.series.clear();
  if (by_ != GroupBy::line)
    site.source.clear(); // of one of its lines
  site.frames = {std::move(group.frame)};
  site.culprit = 0;
  const std::int32_t pid = site.pid;
  if (is_new) {
    rows_.push_back({std::move(key), RowSum(std::move(site)), {pid}});
    return;
  }
  Row& row = rows_[known->second];
  row.pids.insert(pid);
  SiteReport& sum = row.sum.row();
  sum.processes = std::max({sum.processes, site.processes, row.pids.size()});
  row.sum.add_by_size(std::move(site));
}

SiteReport SiteMerger::sum_of(const Row& a, const Row& b) {
  RowSum sum = a.sum;
  const auto more = std::count_if(b.pids.begin(), b.pids.end(),
                                  [&](std::int32_t pid) { return !a.pids.contains(pid); });
  sum.row().processes = std::max({a.sum.row().processes, b.sum.row().processes,
                                  a.pids.size() + static_cast<std::size_t>(more)});
  sum.add_by_size(b.sum);
  return std::move(sum.row());
}

std::vector<SiteReport> SiteMerger::rows() const {
  return rows_with(SiteMerger(by_));
}

std::vector<SiteReport> SiteMerger::rows_with(const SiteMerger& others) const {
  std::vector<SiteReport> rows;
  rows.reserve(rows_.size() + others.rows_.size());
  for (const Row& row : rows_) {
    const auto other = others.row_of_.find(row.key);
    rows.push_back(other == others.row_of_.end() ? row.sum.row()
                                                 : sum_of(others.rows_[other->second], row));
  }
  for (const Row& row : others.rows_)
    if (!row_of_.contains(row.key))
      rows.push_back(row.sum.row());
  return rows;
}

std::vector<SiteReport> merge_sites(std::vector<SiteReport> sites, GroupBy by,
                                    const std::function<GroupFrame(const SiteReport&)>& frame_of) {
  std::sort(sites.begin(), sites.end(), [](const SiteReport& a, const SiteReport& b) {
    return a.totals.outstanding_bytes() > b.totals.outstanding_bytes();
  });
  SiteMerger merger(by);
  for (SiteReport& site : sites) {
    GroupFrame group = frame_of(site);
    merger.add(std::move(site), std::move(group));
  }
  return merger.rows();
}

} // namespace leakbpf
