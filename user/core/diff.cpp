// SPDX-License-Identifier: Apache-2.0
#include "core/diff.h"

#include "core/culprit.h"
#include "core/held_diff.h"
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

// Runs whose lengths differ by more are compared by rate; rates that differ by less are the same.
constexpr double least_length_share = 0.1;
constexpr double least_rate_share = 0.2;

/// What names a frame in every build of a program: no line, no offset.
std::string frame_key(const Frame& frame) {
  if (frame.kind == FrameKind::python)
    return fmt::format("{} {}", frame.function, base_name(frame.file)); // releases have own folders
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
  add_growth(*figures, site.growth_bytes_per_minute, site.verdict.severity);
}

/// Of a stack that is in both; growth that is not known on both sides tells nothing.
Change change_of_rate(const DiffRow& row) {
  if (!row.before->growth_bytes_per_minute || !row.after->growth_bytes_per_minute)
    return Change::same;
  const double before = *row.before->growth_bytes_per_minute;
  const double change = row.growth_change();
  if (std::abs(change) < std::max(least_change_bytes, least_rate_share * std::abs(before)))
    return Change::same;
  return change > 0 ? Change::grew : Change::shrank;
}

Change change_of(const DiffRow& row, bool by_rate) {
  const double change = row.bytes_change();
  if (std::abs(change) >= least_change_bytes && !row.before)
    return Change::added;
  if (std::abs(change) >= least_change_bytes && !row.after)
    return Change::gone;
  if (!row.before || !row.after)
    return Change::same;
  if (by_rate)
    return change_of_rate(row);
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

bool leaks(const std::optional<DiffFigures>& side) {
  return side && grows(side->severity);
}

/// First what leaks now, then what no longer does, then the rest. Growth says more of a leak than
/// bytes, which depend on how long was looked; that of a stack that only churns says nothing.
bool ranks_before(const DiffRow& a, const DiffRow& b) {
  if (leaks(a.after) != leaks(b.after))
    return leaks(a.after);
  if (leaks(a.before) != leaks(b.before) && !leaks(a.after))
    return leaks(a.before);
  if (leaks(a.after) && a.growth_change() != b.growth_change())
    return a.growth_change() > b.growth_change();
  return std::abs(a.bytes_change()) > std::abs(b.bytes_change());
}

bool lengths_differ(const Report& before, const Report& after) {
  const double longer = std::max(before.duration_seconds, after.duration_seconds);
  return std::abs(before.duration_seconds - after.duration_seconds) > least_length_share * longer;
}

bool has_pools_behind(const Report& report) {
  return std::any_of(report.sites.begin(), report.sites.end(),
                     [](const SiteReport& site) { return site.behind; });
}

} // namespace

Diff compare(const Report& before, const std::string& before_name, const Report& after,
             const std::string& after_name) {
  Diff diff;
  diff.version = after.version;
  diff.by_rate = lengths_differ(before, after);
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
  // Where containers are known, where a pool was begun says nothing of what changed.
  const bool no_pools = has_pools_behind(before) || has_pools_behind(after);
  const auto counts = [&](const SiteReport& site) {
    return !no_pools || site.key.kind != LEAKBPF_KIND_PYTHON;
  };
  for (const SiteReport& site : before.sites)
    if (counts(site))
      add(row_of(site).before, site);
  for (const SiteReport& site : after.sites)
    if (counts(site))
      add(row_of(site).after, site);
  for (DiffRow& row : diff.rows)
    row.change = change_of(row, diff.by_rate);
  std::stable_sort(diff.rows.begin(), diff.rows.end(), ranks_before);
  for (std::size_t i = 0; i < diff.rows.size(); i++)
    diff.rows[i].rank = i + 1;
  diff.held = compare_held(before.held, after.held);
  return diff;
}

} // namespace leakbpf
