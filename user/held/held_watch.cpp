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
constexpr std::size_t most_lines = 5;

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
    const std::vector<std::uint64_t>& objects = census_.samples.at(each.type).items();
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

} // namespace leakbpf
