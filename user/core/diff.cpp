// SPDX-License-Identifier: Apache-2.0
#include "core/diff.h"

#include "core/culprit.h"
#include "core/losses.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

#include <fmt/format.h>

namespace leakbpf {

namespace {

// A stack whose outstanding bytes changed by less is the same: a few blocks in flight.
constexpr double least_change_bytes = 4096;
constexpr double least_change_share = 0.01;

/// What names a frame in every build of a program: no line, no offset.
std::string frame_key(const Frame& frame) {
  if (frame.kind == FrameKind::python)
    return fmt::format("{} {}", frame.function, frame.file);
  if (frame.function.empty()) // nothing better than the place, which the next build moves
    return fmt::format("{}+{:#x}", base_name(frame.module), frame.offset.value_or(0));
  return fmt::format("{} {}", frame.function, base_name(frame.module));
}

/// Makes keys of stacks: a number for each distinct frame.
class StackKeys {
public:
  using Key = std::vector<std::uint32_t>;

  Key key(const SiteReport& site) {
    Key key{static_cast<std::uint32_t>(site.key.kind)};
    key.reserve(site.frames.size() + 1);
    for (const FrameRef& frame : site.frames)
      key.push_back(number_of(frame));
    return key;
  }

private:
  std::uint32_t number_of(const FrameRef& frame) {
    if (const auto known = numbers_.find(frame.id()); known != numbers_.end())
      return known->second;
    const auto next = static_cast<std::uint32_t>(names_.size());
    const std::uint32_t number = names_.emplace(frame_key(frame), next).first->second;
    numbers_.emplace(frame.id(), number);
    return number;
  }

  std::unordered_map<const Frame*, std::uint32_t> numbers_;
  std::unordered_map<std::string, std::uint32_t> names_;
};

void add(std::optional<DiffFigures>& figures, const SiteReport& site) {
  if (!figures)
    figures.emplace();
  figures->totals += site.totals;
  if (site.growth_bytes_per_minute)
    figures->growth_bytes_per_minute =
        figures->growth_bytes_per_minute.value_or(0) + *site.growth_bytes_per_minute;
  if (site.verdict.severity)
    figures->severity =
        std::max(figures->severity.value_or(Severity::none), *site.verdict.severity);
}

Change change_of(const DiffRow& row) {
  const double change = row.bytes_change();
  if (std::abs(change) >= least_change_bytes && !row.before)
    return Change::added;
  if (std::abs(change) >= least_change_bytes && !row.after)
    return Change::gone;
  if (!row.before || !row.after)
    return Change::same;
  const auto before = static_cast<double>(row.before->totals.outstanding_bytes());
  if (std::abs(change) < std::max(least_change_bytes, least_change_share * before))
    return Change::same;
  return change > 0 ? Change::grew : Change::shrank;
}

DiffSide side_of(const Report& report, const std::string& file) {
  DiffSide side;
  side.file = file;
  side.started_at = report.started_at;
  side.duration_seconds = report.duration_seconds;
  side.targets = report.targets;
  for (const TargetReport& target : report.targets) {
    side.outstanding_bytes += target.outstanding_bytes;
    side.outstanding_count += target.outstanding_count;
  }
  for (int loss = 0; loss < LEAKBPF_LOSS_COUNT; loss++)
    if (const auto which = static_cast<leakbpf_loss>(loss); report.losses.at(which) > 0)
      side.losses.push_back(
          fmt::format("{} {}", report.losses.at(which), loss_text(which).meaning));
  return side;
}

bool leaks_after(const DiffRow& row) {
  return row.after && row.after->severity.value_or(Severity::none) != Severity::none;
}

/// Growth says more of a leak than bytes, which depend on how long was looked; that of a stack that
/// only churns says nothing.
bool ranks_before(const DiffRow& a, const DiffRow& b) {
  if (leaks_after(a) != leaks_after(b))
    return leaks_after(a);
  if (!leaks_after(a))
    return a.bytes_change() > b.bytes_change();
  if (a.growth_change() != b.growth_change())
    return a.growth_change() > b.growth_change();
  return a.bytes_change() > b.bytes_change();
}

} // namespace

Diff compare(const Report& before, const std::string& before_name, const Report& after,
             const std::string& after_name) {
  Diff diff;
  diff.version = after.version;
  diff.before = side_of(before, before_name);
  diff.after = side_of(after, after_name);
  StackKeys keys;
  std::map<StackKeys::Key, std::size_t> index;
  const auto row_of = [&](const SiteReport& site) -> DiffRow& {
    const auto [known, is_new] = index.emplace(keys.key(site), diff.rows.size());
    if (is_new)
      diff.rows.emplace_back().kind = site.key.kind;
    DiffRow& row = diff.rows[known->second];
    if (row.source.empty())
      row.source = site.source;
    row.frames = site.frames; // the later snapshot comes last
    row.culprit = site.culprit;
    return row;
  };
  for (const SiteReport& site : before.sites)
    add(row_of(site).before, site);
  for (const SiteReport& site : after.sites)
    add(row_of(site).after, site);
  for (DiffRow& row : diff.rows)
    row.change = change_of(row);
  std::stable_sort(diff.rows.begin(), diff.rows.end(), ranks_before);
  for (std::size_t i = 0; i < diff.rows.size(); i++)
    diff.rows[i].rank = i + 1;
  return diff;
}

} // namespace leakbpf
