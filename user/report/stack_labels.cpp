// SPDX-License-Identifier: Apache-2.0
#include "report/stack_labels.h"

#include "core/culprit.h"
#include "core/ranking.h"

#include <algorithm>

namespace leakbpf {

Frames StackLabels::frames_of(const SiteKey& site) {
  if (const LocatedStack* const known = stacks_.find(site.stack_hash))
    return namer_.name(*known);
  if (const auto located = asks_.locate(site))
    return namer_.name(*located);
  Frame note;
  note.kind = FrameKind::note;
  note.function = "stack not recorded";
  return {note};
}

/// The names of a stack's frames will not change: it is known, and so is each piece of Python.
bool StackLabels::has_last_names(const SiteKey& site, const Frames& frames) const {
  return stacks_.has(site.stack_hash) &&
         std::none_of(frames.begin(), frames.end(), [](const Frame& frame) {
           return frame.kind == FrameKind::python && frame.file.empty();
         });
}

const Suppression* StackLabels::suppressed_by(const SiteKey& site) {
  if (const auto known = suppressed_.find(site.stack_hash); known != suppressed_.end())
    return known->second;
  const Frames frames = frames_of(site);
  const Suppression* const rule = wishes_.suppressions.match(frames);
  if (has_last_names(site, frames))
    suppressed_.emplace(site.stack_hash, rule);
  return rule;
}

const Suppression* StackLabels::hidden_by(const SiteKey& site, bool grows, bool whole) {
  if (wishes_.suppressions.rules().empty())
    return nullptr; // to look at frames is to name them, of thousands of stacks
  const Suppression* const rule = suppressed_by(site);
  return rule && rule->is_builtin() && (whole || grows) ? nullptr : rule;
}

bool StackLabels::is_filtered_out(const SiteKey& site) {
  if (!wishes_.filter)
    return false;
  if (const auto known = filtered_.find(site.stack_hash); known != filtered_.end())
    return known->second;
  const Frames frames = frames_of(site);
  const bool out = !stack_matches(frames, *wishes_.filter);
  if (has_last_names(site, frames))
    filtered_.emplace(site.stack_hash, out);
  return out;
}

GroupFrame StackLabels::group_of(const SiteKey& site) {
  if (wishes_.group_by == GroupBy::process) {
    Frame process;
    process.kind = FrameKind::note;
    process.function = asks_.comm_of(site.target);
    return {"", process};
  }
  if (const auto known = groups_.find(site.stack_hash); known != groups_.end())
    return known->second;
  const Frames frames = frames_of(site);
  GroupFrame group = group_frame(wishes_.group_by, frames, find_culprit(frames, common_paths_));
  if (has_last_names(site, frames))
    groups_.emplace(site.stack_hash, group);
  return group;
}

void StackLabels::compare(std::vector<SiteReport> rows) {
  for (SiteReport& row : rows)
    row.frames = frames_of(row.key);
  CommonPaths common(rows);
  if (common == common_paths_)
    return;
  common_paths_ = std::move(common);
  groups_.clear();
}

void StackLabels::name(SiteReport& row) {
  if (wishes_.group_by == GroupBy::stack) {
    row.frames = frames_of(row.key);
    row.culprit = find_culprit(row.frames, common_paths_);
  }
  if (row.frames.empty())
    return;
  const Frame& culprit = row.frames[row.culprit];
  row.source = sources_.text(row.pid, culprit.file, culprit.line);
}

void StackLabels::keep_only(const std::unordered_set<std::uint64_t>& places) {
  const auto is_unused = [&](const auto& known) { return !places.contains(known.first); };
  std::erase_if(groups_, is_unused);
  std::erase_if(suppressed_, is_unused);
  std::erase_if(filtered_, is_unused);
}

} // namespace leakbpf
