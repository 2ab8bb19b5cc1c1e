// SPDX-License-Identifier: Apache-2.0
// What a HeldWatch tells of what it knows.
#include "core/units.h"
#include "held/held_watch.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// The collector comes to what is garbage after a while: what grows for less long may be that.
constexpr double collector_seconds = 60;
constexpr std::size_t most_tables = 16; ///< of one row

std::uint64_t to_number(double value) {
  return static_cast<std::uint64_t>(std::max(value, 0.0));
}

/// The trend is that of one of the row's containers.
void judge(HeldFinding& finding, const Trend& trend, EntrySeries series, std::string_view what) {
  HeldReport& row = finding.row;
  row.growth_bytes_per_minute = finding.rate * 60;
  row.verdict.severity = severity_of_growth(finding.projected * 60);
  row.verdict.reasons.push_back(
      fmt::format("grew in {} of {} intervals, by {} {} a minute", trend.rises, trend.intervals,
                  format_count(to_number(*row.entries_per_minute)), what));
  if (trend.shape == TrendShape::slowing)
    row.verdict.reasons.emplace_back("it is slowing down: something that fills up looks like this");
  const double left = trend.rate > 0 ? std::clamp(trend.projected / trend.rate, 0.0, 1.0) : 0;
  row.score = std::clamp(trend.tau, 0.0, 1.0) * left;
  row.series_times = std::move(series.times);
  row.series = std::move(series.entries);
}

} // namespace

void HeldWatch::add_to(HeldFinding& finding, const GrowingContainer& growing,
                       const Facts& facts) const {
  const HeapContainer& container = growing.container;
  HeldReport& row = finding.row;
  const double each = facts.contents.bytes_per_entry;
  row.containers++;
  row.entries += container.entries;
  row.entries_per_minute = row.entries_per_minute.value_or(0) + growing.trend.rate * 60;
  row.bytes = row.bytes.value_or(0) +
              to_number(facts.bytes_of_entry * static_cast<double>(container.entries));
  finding.rate += growing.trend.rate * each;
  finding.rise += growing.trend.rise * each;
  finding.projected += growing.trend.projected * each;
  if (finding.tables.size() >= most_tables)
    return;
  std::uint64_t table = BlockSizes(reader_).table_at(container.address, container.shape);
  if (table == 0)
    return;
  constexpr int most_allocators = 2; // Python's own, above malloc: each has hooks
  for (int allocator = 0; allocator < most_allocators; allocator++)
    table -= hook_bytes(reader_.word(table - 8));
  finding.tables.push_back(table);
}

/// What is known of all containers of the path together.
void HeldWatch::finish(HeldFinding& finding, const std::string& path,
                       const GrowingContainer& fastest) const {
  const Facts& facts = facts_.at(path);
  HeldReport& row = finding.row;
  finding.owner = facts.owner;
  finding.holds_nothing = facts.holds_nothing;
  row.pid = source_.pid;
  row.path = path;
  row.type = facts.type;
  row.contents = facts.contents.make;
  row.lines = facts.lines;
  row.no_line = facts.no_line;
  row.pattern = facts.pattern;
  row.fix = facts.connections.fix.empty() ? facts.fix : facts.connections.fix;
  row.note = facts.connections.note;
  judge(finding, fastest.trend, watch_.series(fastest.container.address), "entries");
}

namespace {

/// Entries a minute of one of the row's containers.
double entry_rate(const HeldReport& row) {
  return *row.entries_per_minute / static_cast<double>(row.containers);
}

/// What packages and the standard library hold, and grows as fast as something of the
/// application's, grows through it: it is told behind that one.
void put_behind(std::vector<HeldFinding>& findings) {
  constexpr double alike = 0.1;
  const auto leads = [&](const HeldFinding& follower, const HeldFinding& leader) {
    const bool others =
        leader.owner == PythonOwner::application && follower.owner != PythonOwner::application;
    const bool nameless = !leader.row.path.starts_with('?') && follower.row.path.starts_with('?');
    const bool weak = follower.holds_nothing && !leader.holds_nothing;
    return (others || nameless || weak) &&
           std::abs(entry_rate(leader.row) - entry_rate(follower.row)) <=
               alike * entry_rate(leader.row);
  };
  std::vector<HeldFinding> kept;
  std::vector<HeldFinding> followers;
  for (HeldFinding& each : findings) {
    const bool follows = std::any_of(findings.begin(), findings.end(),
                                     [&](const auto& leader) { return leads(each, leader); });
    (follows ? followers : kept).push_back(each);
  }
  for (const HeldFinding& follower : followers)
    for (HeldFinding& leader : kept)
      if (leads(follower, leader)) {
        leader.row.also.push_back(follower.row.path);
        break;
      }
  findings = std::move(kept);
}

} // namespace

HeldFinding HeldWatch::loose_finding(const Loose& found, const GrowingType& growing) const {
  const LooseObjects& loose = found.objects;
  HeldFinding finding;
  const Trend& trend = growing.trend;
  finding.rate = trend.rate * loose.bytes_of_object;
  finding.rise = trend.rise * loose.bytes_of_object;
  finding.projected = trend.projected * loose.bytes_of_object;
  finding.owner = loose.owner;
  HeldReport& row = finding.row;
  row.pid = source_.pid;
  row.path = loose.path;
  row.type = types_[loose.type].name;
  row.containers = 0;
  row.entries = growing.objects;
  row.entries_per_minute = trend.rate * 60;
  row.bytes = to_number(loose.bytes_of_object * static_cast<double>(growing.objects));
  row.also = loose.also;
  for (const StoreSite& each : loose.makers)
    row.lines.push_back({each.file, each.line, each.function, "",
                         loose.makers.size() == 1 && (each.hot || loose.assigned)
                             ? LineEvidence::hot
                             : LineEvidence::candidate,
                         !loose.assigned});
  row.lines.insert(row.lines.end(), found.lines.begin(), found.lines.end());
  if (row.lines.empty() && !found.no_line.empty())
    row.no_line = found.no_line;
  else if (row.lines.empty())
    row.no_line = "its type is built in, or nothing in the loaded code calls its class by name";
  if (loose.kind == LooseKind::cycle) {
    row.pattern = HeldPattern::cycles;
    row.note =
        collector_is_off_
            ? "only reference cycles keep them, and the cycle collector is off (gc.disable)"
            : "only reference cycles keep them, and the cycle collector has not reached them";
    const std::string collect =
        collector_is_off_ ? "gc.enable()" : "make sure that it runs (gc.get_threshold())";
    row.fix = loose.assigned ? "`del` the variable when done (in finally), or " + collect
                             : "make the back reference a weakref, or " + collect;
  } else if (loose.kind == LooseKind::chain) {
    row.note = "each is held by another one: no container holds them";
    row.fix = "unlink those that are done";
  } else {
    row.note = "they are spread over many containers, each of which grows slowly";
    row.fix = "bound each container, and drop those that are no longer used";
  }
  judge(finding, trend, type_watch_.series(loose.type), "objects");
  return finding;
}

void HeldWatch::add_loose(std::vector<HeldFinding>& findings) const {
  if (loose_.empty())
    return;
  const bool early = now_ - since_.value_or(now_) < collector_seconds;
  const std::vector<GrowingType> types = growing_types();
  for (const Loose& found : loose_) {
    const LooseObjects& loose = found.objects;
    const auto growing = std::find_if(types.begin(), types.end(), [&](const GrowingType& each) {
      return each.type == loose.type;
    });
    if (growing != types.end() && !(loose.kind == LooseKind::cycle && early && !collector_is_off_))
      findings.push_back(loose_finding(found, *growing));
  }
}

std::vector<HeldFinding> HeldWatch::findings() const {
  std::unordered_map<std::string, HeldFinding> by_path;
  std::unordered_map<std::string, const GrowingContainer*> fastest;
  const std::vector<GrowingContainer> all = growing();
  for (const GrowingContainer& each : all) {
    const auto place = places_of_.find(each.container.address);
    const auto facts = place == places_of_.end() ? facts_.end() : facts_.find(place->second.path);
    if (facts == facts_.end() || facts->second.bounded)
      continue;
    const auto [found, is_new] = by_path.try_emplace(facts->first);
    if (is_new) {
      found->second.row.containers = 0;
      fastest[facts->first] = &each; // they come in that order
    }
    add_to(found->second, each, facts->second);
  }
  std::vector<HeldFinding> findings;
  for (auto& [path, finding] : by_path) {
    finish(finding, path, *fastest[path]);
    findings.push_back(std::move(finding));
  }
  put_behind(findings);
  add_loose(findings);
  std::sort(findings.begin(), findings.end(), [](const HeldFinding& a, const HeldFinding& b) {
    return a.rate != b.rate ? a.rate > b.rate : a.row.path < b.row.path;
  });
  return findings;
}

} // namespace leakbpf
