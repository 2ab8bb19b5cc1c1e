// SPDX-License-Identifier: Apache-2.0
#include "view/view_data.h"

#include "render/describe.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// `apart`: stacks of one culprit are rows of their own.
Report arranged_for(const Report& report, const ViewState& state, bool apart) {
  Report arranged = report;
  std::optional<Pattern> filter;
  if (!state.filter.empty())
    if (auto compiled = Pattern::compile(state.filter))
      filter = std::move(*compiled);
  if (state.min_age_seconds > 0)
    std::erase_if(arranged.sites, [&](const SiteReport& site) {
      return site.oldest_age_seconds.value_or(0) < state.min_age_seconds;
    });
  Arrangement arrangement;
  arrangement.sort = state.sort;
  arrangement.group_by = state.group_by;
  if (state.group_by == GroupBy::stack && !apart)
    arrangement.culprits = CulpritRows::joined;
  arrangement.rows = report.sites.size() + 1; // all that hold something
  arrangement.filter = filter ? &*filter : nullptr;
  arrange(arranged, arrangement);
  return arranged;
}

} // namespace

void MemorySeries::add(const Report& report) {
  if (report.duration_seconds <= last_seconds_)
    return;
  last_seconds_ = report.duration_seconds;
  if (!report.history.empty()) { // it tells all of it
    series_.clear();
    for (const HistoryPoint& point : report.history)
      put(point.pid, point.rss_bytes);
    return;
  }
  std::unordered_set<std::int32_t> present;
  for (const TargetReport& target : report.targets)
    present.insert(target.pid);
  std::erase_if(series_, [&](const auto& each) { return !present.contains(each.first); });
  for (const TargetReport& target : report.targets)
    put(target.pid, target.rss_end_bytes);
}

std::vector<double> MemorySeries::of(std::int32_t pid) const {
  const auto found = series_.find(pid);
  return found == series_.end() ? std::vector<double>() : found->second.items();
}

void ViewData::put(std::shared_ptr<const Report> report) {
  report_ = std::move(report);
  memory_.add(*report_);
}

void ViewData::arrange_for(const ViewState& state) {
  if (!report_)
    return;
  // Stacks of two runs have nothing in common but their names.
  stacks_apart_ =
      state.tab == Tab::stacks && state.group_by == GroupBy::stack && compared_with_.empty();
  marked_bytes_.clear();
  if (mark_) {
    arranged_ = arranged_for(*mark_, state, stacks_apart_);
    for (const ViewRow& row : rows_of(state.tab))
      if (const auto bytes = bytes_of(row))
        marked_bytes_[key_of(row)] = *bytes;
  }
  arranged_ = arranged_for(*report_, state, stacks_apart_);
  rows_ = rows_of(state.tab);
  if (mark_)
    sort_by_change();
}

/// Most growth since the mark first. There may be ten thousand rows: each change is looked up once.
void ViewData::sort_by_change() {
  std::vector<std::pair<double, ViewRow>> changes;
  changes.reserve(rows_.size());
  for (const ViewRow& row : rows_)
    changes.emplace_back(since_mark(row).value_or(0), row);
  std::stable_sort(changes.begin(), changes.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::transform(changes.begin(), changes.end(), rows_.begin(),
                 [](const auto& each) { return each.second; });
}

/// Those that lead, the others, or all.
void ViewData::add_containers(std::vector<ViewRow>& rows, std::optional<bool> leading) const {
  for (std::size_t i = 0; i < arranged_.held.size(); i++)
    if (!leading || leads(arranged_.held[i], arranged_) == *leading)
      rows.push_back({ViewRow::Of::container, i});
}

void ViewData::add_sites(std::vector<ViewRow>& rows, bool behind) const {
  for (std::size_t i = 0; i < arranged_.sites.size(); i++)
    if (behind || !arranged_.sites[i].behind)
      rows.push_back({ViewRow::Of::site, i});
}

std::vector<ViewRow> ViewData::rows_of(Tab tab) const {
  std::vector<ViewRow> rows;
  switch (tab) {
  case Tab::leaks:
    add_containers(rows, true);
    add_sites(rows, false);
    add_containers(rows, false);
    break;
  case Tab::stacks:
    add_sites(rows, true);
    break;
  case Tab::containers:
    add_containers(rows, std::nullopt);
    break;
  case Tab::processes:
    for (const std::size_t index : worst_first(arranged_.targets))
      rows.push_back({ViewRow::Of::process, index});
    break;
  }
  return rows;
}

std::string ViewData::key_of(const ViewRow& row) const {
  const bool one_run = compared_with_.empty();
  const auto process = [one_run](std::int32_t pid) { return one_run ? pid : 0; };
  switch (row.of) {
  case ViewRow::Of::container: {
    const HeldReport& held = arranged_.held[row.index];
    return fmt::format("c {} {} {}", process(held.pid), held.type, held.path);
  }
  case ViewRow::Of::process:
    return one_run ? fmt::format("p {}", arranged_.targets[row.index].pid)
                   : "p " + arranged_.targets[row.index].comm;
  default: {
    const SiteReport& site = arranged_.sites[row.index];
    if (stacks_apart_)
      return fmt::format("s {} {} {:x}", site.pid, kind_name(site.key.kind), site.key.stack_hash);
    std::string place = site.frames.empty() ? "" : describe_frame(site.frames[site.culprit]);
    if (place.empty() && one_run)
      place = std::to_string(site.key.stack_hash);
    return fmt::format("s {} {} {} {}", one_run ? site.target : 0,
                       site.processes > 1 ? 0 : process(site.pid), kind_name(site.key.kind), place);
  }
  }
}

void ViewData::toggle_mark() {
  mark_ = mark_ ? nullptr : report_;
}

void ViewData::compare_with(std::shared_ptr<const Report> before, std::string name) {
  mark_ = std::move(before);
  compared_with_ = std::move(name);
}

std::optional<double> ViewData::bytes_of(const ViewRow& row) const {
  const auto known = [](const std::optional<std::uint64_t>& bytes) {
    return bytes ? std::optional(static_cast<double>(*bytes)) : std::nullopt;
  };
  switch (row.of) {
  case ViewRow::Of::container:
    return known(arranged_.held[row.index].bytes);
  case ViewRow::Of::process:
    return known(arranged_.targets[row.index].rss_end_bytes);
  default:
    return static_cast<double>(arranged_.sites[row.index].totals.outstanding_bytes());
  }
}

std::optional<double> ViewData::since_mark(const ViewRow& row) const {
  const auto bytes = bytes_of(row);
  if (!bytes || !mark_)
    return std::nullopt;
  const auto before = marked_bytes_.find(key_of(row));
  return *bytes - (before == marked_bytes_.end() ? 0 : before->second);
}

} // namespace leakbpf
