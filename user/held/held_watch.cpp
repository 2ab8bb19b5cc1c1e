// SPDX-License-Identifier: Apache-2.0
#include "held/held_watch.h"

#include "core/units.h"
#include "held/heap_ranges.h"
#include "held/path_text.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr std::size_t most_searched = 4'000; ///< containers whose paths are looked for
constexpr double path_seconds = 300;         ///< a path is believed for so long,
constexpr double no_path_seconds = 30;       ///< and so long none is looked for again
constexpr double facts_seconds = 60;
constexpr int most_tries = 3; ///< to find a path whose objects stay while it is looked at
constexpr double loose_seconds =
    30; ///< what objects outside containers are is believed for so long
/// The collector comes to what is garbage after a while: what grows for less long may be that.
constexpr double collector_seconds = 60;
constexpr std::size_t most_lines = 5;
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

HeldWatch::HeldWatch(HeldSource source, const ObjectLayout& layout, const PythonProcess& python)
    : source_(std::move(source)), layout_(layout), places_{python.runtime, python.layout},
      types_(*source_.memory), scan_(*source_.memory, *source_.pages, layout_, types_),
      reader_(*source_.memory, layout_, types_), watch_(*source_.memory, layout_),
      type_watch_(types_) {}

Result<std::unique_ptr<HeldWatch>> HeldWatch::make(const ProcFs& proc, pid_t pid,
                                                   const PythonProcess& python) {
  HeldSource source;
  source.memory = std::make_unique<LiveMemory>(pid);
  source.pages = std::make_unique<LivePages>(proc.path(pid, "pagemap"));
  source.heap = [&proc, pid] {
    const auto mappings = proc.mappings(pid);
    return mappings ? heap_ranges(*mappings) : std::vector<HeapRange>();
  };
  source.open_files = [&proc, pid] { return count_open_files(proc, pid); };
  source.pid = pid;
  return make(std::move(source), python);
}

Result<std::unique_ptr<HeldWatch>> HeldWatch::make(HeldSource source, const PythonProcess& python) {
  auto layout = object_layout(python.layout.version);
  if (!layout)
    return layout.error();
  if (python.layout.version >= PythonVersion{3, 13})
    if (auto known = apply_debug_offsets(*source.memory, python.runtime, *layout); !known)
      return known.error();
  return std::unique_ptr<HeldWatch>(new HeldWatch(std::move(source), *layout, python));
}

void HeldWatch::scan(double t) {
  const std::vector<HeapRange> heap = source_.heap();
  if (heap.empty())
    return;
  types_.look_again();
  census_ = take_census(scan_, types_, heap, type_watch_.risen());
  stores_.reset();
  watch_.add(census_, t);
  type_watch_.add(census_, t);
  if (!since_)
    since_ = t;
}

void HeldWatch::sample(double t) {
  now_ = t;
  watch_.sample(t);
}

std::vector<GrowingContainer> HeldWatch::growing() const {
  if (!since_)
    return {};
  std::vector<GrowingContainer> growing = watch_.growing(*since_ + warm_up_seconds(now_ - *since_));
  if (growing.size() > most_searched)
    growing.resize(most_searched);
  return growing;
}

bool HeldWatch::needs_search(const HeapContainer& container, double t) const {
  const auto known = places_of_.find(container.address);
  if (known == places_of_.end())
    return true;
  const bool found = !known->second.path.starts_with('?');
  return t - known->second.at > (found ? path_seconds : no_path_seconds);
}

void HeldWatch::explain(double t) {
  const std::vector<GrowingContainer> all = growing();
  const bool any = std::any_of(all.begin(), all.end(), [&](const GrowingContainer& each) {
    return needs_search(each.container, t);
  });
  if (any)
    search(all, t);
  std::unordered_set<std::uint64_t> grow;
  for (const GrowingContainer& each : all)
    grow.insert(each.container.address);
  std::erase_if(places_of_, [&](const auto& place) { return !grow.contains(place.first); });
  refresh_facts(all, t);
  explain_types(all, t);
}

/// What is in a container changes, and what was found of paths that nothing grows at is dropped.
void HeldWatch::refresh_facts(std::span<const GrowingContainer> growing, double t) {
  std::unordered_set<std::string> paths;
  for (const auto& [container, place] : places_of_)
    paths.insert(place.path);
  std::erase_if(facts_, [&](const auto& known) { return !paths.contains(known.first); });
  for (const GrowingContainer& each : growing) {
    const auto place = places_of_.find(each.container.address);
    if (place == places_of_.end())
      continue;
    Facts& facts = facts_[place->second.path];
    if (facts.container == each.container.address && t - facts.at > facts_seconds) {
      measure(facts, each.container, t);
      look_at_connections(facts, each.container);
    }
  }
}

void HeldWatch::measure(Facts& facts, const HeapContainer& container, double t) {
  facts.at = t;
  facts.contents = measure_contents(reader_, container);
  facts.bytes_of_entry =
      facts.contents.bytes / static_cast<double>(std::max<std::uint64_t>(container.entries, 1));
}

/// Modules first: what they lead to has a name that everybody can see. What none of them leads to
/// is looked for from the functions that run, then from Python's own modules, then from generators.
std::unique_ptr<HeldWatch::Search> HeldWatch::search_for(std::span<const std::uint64_t> objects,
                                                         SearchLimits limits) const {
  auto search =
      std::make_unique<Search>(Search{module_roots(reader_, places_),
                                      frame_roots(reader_, places_),
                                      {},
                                      generator_roots(reader_, places_, census_.generators),
                                      RetainerSearch(reader_, limits)});
  const auto library = std::stable_partition(
      search->modules.begin(), search->modules.end(),
      [](const PathRoot& root) { return owner_of_root(root) != PythonOwner::standard_library; });
  search->paths.begin_at(search->generators);
  search->library.assign(library, search->modules.end());
  search->modules.erase(library, search->modules.end());
  search->paths.run(search->modules, objects);
  search->paths.run(search->frames, objects);
  search->paths.run(search->library, objects);
  search->paths.run_deferred(objects);
  search->paths.run(search->generators, objects);
  return search;
}

void HeldWatch::search(std::span<const GrowingContainer> growing, double t) {
  std::vector<HeapContainer> left;
  for (const GrowingContainer& each : growing)
    left.push_back(each.container);
  for (int tries = 1; !left.empty(); tries++) {
    std::vector<std::uint64_t> wanted;
    wanted.reserve(left.size());
    for (const HeapContainer& each : left)
      wanted.push_back(each.address);
    const std::unique_ptr<Search> search = search_for(wanted);
    std::erase_if(left, [&](const HeapContainer& container) {
      auto path = search->paths.path_to(container.address);
      if (path && !search->paths.still_holds(*path)) {
        if (tries < most_tries)
          return false;
        path.reset();
      }
      place(container, path, search->paths.hit_limit(), t);
      return true;
    });
  }
}

std::vector<GrowingType> HeldWatch::growing_types() const {
  if (!since_)
    return {};
  return type_watch_.growing(*since_ + warm_up_seconds(now_ - *since_));
}

/// Of types that grow, what no container that grows explains.
void HeldWatch::explain_types(std::span<const GrowingContainer> containers, double t) {
  if (loose_at_ && t - *loose_at_ < loose_seconds)
    return;
  std::vector<GrowingType> growing = growing_types();
  std::erase_if(growing, [&](const auto& each) { return !census_.samples.contains(each.type); });
  if (growing.empty()) {
    loose_.clear();
    return;
  }
  loose_at_ = t;
  std::vector<std::uint64_t> wanted;
  for (const GrowingType& each : growing) {
    const std::vector<std::uint64_t>& objects = census_.samples.at(each.type).objects();
    wanted.insert(wanted.end(), objects.begin(), objects.end());
  }
  LooseSearch::Containers grow;
  for (const GrowingContainer& each : containers)
    grow.emplace(each.container.address, &each);
  SearchLimits limits;
  limits.most_of_one = limits.most_objects / 2; // those that are looked for may be old
  const std::unique_ptr<Search> search = search_for(wanted, limits);
  loose_.clear();
  for (LooseObjects& each : LooseSearch(reader_, places_, stores(), show_keys_)
                                .run(growing, census_.samples, search->paths, grow)) {
    Facts facts;
    if (each.spread)
      find_lines(facts, *std::exchange(each.spread, std::nullopt));
    loose_.push_back({std::move(each), std::move(facts.lines), std::move(facts.no_line)});
  }
  collector_is_off_ = is_collector_off(reader_, places_);
}

void HeldWatch::place(const HeapContainer& container, const std::optional<RetainerPath>& path,
                      bool hit_limit, double t) {
  const std::string text = path ? path_text(reader_, *path, show_keys_)
                                : "? " + types_[container.type].name +
                                      (hit_limit ? " (the search had to end before)" : "");
  places_of_[container.address] = {t, text};
  if (const auto known = facts_.find(text); known == facts_.end() || known->second.at != t)
    look_at(container, text, path, t);
}

void HeldWatch::look_at(const HeapContainer& container, const std::string& path,
                        const std::optional<RetainerPath>& retained, double t) {
  Facts facts;
  facts.container = container.address;
  facts.type = types_[container.type].name;
  measure(facts, container, t);
  GrowthPattern pattern =
      growth_pattern(reader_, container, facts.contents, retained ? &*retained : nullptr);
  facts.pattern = pattern.pattern;
  facts.fix = std::move(pattern.fix);
  facts.bounded = pattern.bounded;
  facts.holds_nothing = pattern.holds_nothing;
  look_at_connections(facts, container);
  if (retained) {
    facts.owner = owner_of_root(*retained->root);
    find_lines(facts, *retained);
  } else {
    facts.owner = PythonOwner::standard_library; // as far as anybody can tell
    facts.no_line = "no path to it was found from any module, running function or generator";
  }
  facts_[path] = std::move(facts);
}

/// Whether connections that are kept are open, too.
void HeldWatch::look_at_connections(Facts& facts, const HeapContainer& container) const {
  if (facts.pattern != HeldPattern::connections || !source_.open_files)
    return;
  if (const auto open = source_.open_files())
    facts.connections = connection_evidence(container.entries, *open);
}

/// Code comes and goes: only that of the last census is known.
const StoreFinder& HeldWatch::stores() {
  if (!stores_) {
    stores_.emplace(reader_, places_.layout);
    for (const std::uint64_t function : census_.functions)
      stores_->add_function(function);
  }
  return *stores_;
}

/// Hot ones first. Attributes of one name are found all over a program: those of the holder's own
/// file come before others.
std::vector<StoreSite> HeldWatch::stores_near(const StoreTarget& target, const std::string& file) {
  std::vector<StoreSite> found = stores().find(target);
  const auto is_near = [&](const StoreSite& store) { return store.file == file; };
  std::stable_sort(found.begin(), found.end(), [&](const StoreSite& a, const StoreSite& b) {
    return a.hot != b.hot ? a.hot : is_near(a) && !is_near(b);
  });
  return found;
}

void HeldWatch::find_lines(Facts& facts, const RetainerPath& path) {
  const auto target = store_target(reader_, path);
  if (!target) {
    facts.no_line = "it has no name in the program's code";
    return;
  }
  if (target->called) {
    put_callers(facts, stores().find_calls_of(target->name));
    if (facts.lines.empty())
      facts.no_line = "C code fills it, and no call of its function was found";
    return;
  }
  std::vector<StoreSite> stores = stores_near(*target, path.root->file);
  if (stores.empty())
    if (const auto by_key = key_target(reader_, path))
      stores = stores_near(*by_key, path.root->file);
  const auto hot = static_cast<std::size_t>(
      std::count_if(stores.begin(), stores.end(), [](const StoreSite& each) { return each.hot; }));
  // What was not made for what it meets may run nevertheless, in a function that does.
  const auto runs_in = [&](std::uint64_t code) {
    return std::any_of(stores.begin(), stores.end(),
                       [&](const StoreSite& each) { return each.hot && each.code == code; });
  };
  for (const StoreSite& store : stores) {
    if (hot > 0 && !store.hot && !runs_in(store.code))
      continue; // it hardly runs
    HeldLine line{store.file, store.line, store.function, "", LineEvidence::candidate};
    const bool known = std::any_of(facts.lines.begin(), facts.lines.end(), [&](const auto& other) {
      return other.file == line.file && other.line == line.line;
    });
    if (!known && facts.lines.size() < most_lines)
      facts.lines.push_back(std::move(line));
  }
  if (facts.lines.size() == 1 && hot > 0)
    facts.lines.front().evidence = LineEvidence::hot;
  if (!stores.empty() && owner_of(stores.front().file) != PythonOwner::application)
    put_callers(facts, callers_of(stores.front().code));
  if (facts.lines.empty())
    facts.no_line =
        "nothing in the loaded code stores into it by that name: C code, or another name";
}

/// Where the application calls a library's function, or else one of the library that calls it:
/// put() stores by way of _put().
std::vector<StoreSite> HeldWatch::callers_of(std::uint64_t code) {
  std::vector<StoreSite> calls = stores().find_calls(code);
  if (!calls.empty())
    return calls;
  for (const std::uint64_t between : stores().callers_in_file(code)) {
    const std::vector<StoreSite> more = stores().find_calls(between);
    calls.insert(calls.end(), more.begin(), more.end());
  }
  return calls;
}

/// Of a library's function, the lines of the application that call one of its name stand first.
void HeldWatch::put_callers(Facts& facts, const std::vector<StoreSite>& found) {
  const std::vector<StoreSite> calls = likely(found);
  const LineEvidence evidence =
      calls.size() == 1 && calls.front().hot ? LineEvidence::hot : LineEvidence::candidate;
  std::vector<HeldLine> lines;
  lines.reserve(calls.size());
  for (const StoreSite& call : calls)
    lines.push_back({call.file, call.line, call.function, "", evidence, true});
  facts.lines.insert(facts.lines.begin(), lines.begin(), lines.end());
}

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
