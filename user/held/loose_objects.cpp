// SPDX-License-Identifier: Apache-2.0
#include "held/loose_objects.h"

#include "held/contents.h"
#include "held/cycle_finder.h"
#include "held/path_text.h"

#include <algorithm>
#include <set>
#include <utility>

namespace leakbpf {

namespace {

/// Objects of one type, one behind the other, that make a chain.
constexpr std::size_t least_links = 3;
/// Of a type's objects that must be in chains, or not be reached: there may be others of it.
constexpr double least_loose_share = 0.3;
constexpr std::size_t most_candidates = 8;
constexpr std::size_t most_tried_objects = 3; ///< objects of one type that are looked at
constexpr std::size_t most_also = 4;

/// Does a container that grows bring these objects? Not when there are ever more to each of its
/// entries: then it is what the entries hold that grows.
bool leads_through(const RetainerPath& path, const GrowingType& growing,
                   const LooseSearch::Containers& containers) {
  constexpr double much_more = 3;
  return std::any_of(path.steps.begin(), path.steps.end(), [&](const PathStep& step) {
    const auto found = containers.find(step.holder);
    if (found == containers.end())
      return false;
    const GrowingContainer& container = *found->second;
    const double entries = std::max(static_cast<double>(container.container.entries), 1.0);
    const double of_each = static_cast<double>(growing.objects) / entries;
    return growing.trend.rate <= much_more * of_each * container.trend.rate;
  });
}

bool is_element(const PathStep& step) {
  return step.kind == HoldKind::value || step.kind == HoldKind::item ||
         step.kind == HoldKind::member;
}

/// What is told of most: an exception, an object of a class, a frame, then what is built in.
int weight(const ObjectType& type) {
  if (type.has(type_flag::exception_subclass))
    return 3;
  if (type.shape == ObjectShape::frame)
    return 1;
  return type.has(type_flag::heap_type) && type.shape == ObjectShape::other ? 2 : 0;
}

std::vector<PathStep> steps_of(const std::vector<CycleStep>& cycle) {
  std::vector<PathStep> steps;
  steps.reserve(cycle.size());
  for (const CycleStep& each : cycle)
    steps.push_back({each.reference.kind, each.reference.label, each.reference.to, each.holder});
  return steps;
}

} // namespace

LooseSearch::Ways LooseSearch::ways_to(const GrowingType& growing,
                                       std::span<const std::uint64_t> objects,
                                       const RetainerSearch& search,
                                       const Containers& containers) const {
  Ways ways;
  for (const std::uint64_t object : objects) {
    auto path = search.path_to(object);
    if (!path) {
      ways.unreached.push_back(object);
    } else if (leads_through(*path, growing, containers)) {
      ways.explained++;
    } else if (links_of(growing.type, *path) >= least_links) {
      ways.chain = std::move(path);
      ways.chained++;
    } else if (!path->steps.empty()) {
      const std::string text = path_text(reader_, *path, false);
      ways.others[text].push_back(std::move(*path));
    }
  }
  return ways;
}

std::vector<LooseObjects> LooseSearch::run(std::span<const GrowingType> growing,
                                           const Samples& samples, const RetainerSearch& search,
                                           const Containers& containers) const {
  std::vector<LooseObjects> found;
  std::vector<Candidate> candidates;
  for (const GrowingType& each : growing) {
    const auto sample = samples.find(each.type);
    if (sample == samples.end())
      continue;
    const std::vector<std::uint64_t>& objects = sample->second.items();
    Ways ways = ways_to(each, objects, search, containers);
    const auto all = static_cast<double>(objects.size());
    std::optional<LooseObjects> row;
    if (ways.chain && static_cast<double>(ways.chained) >= least_loose_share * all)
      row = describe_chain(each.type, *ways.chain);
    else if (static_cast<double>(ways.unreached.size()) >= least_loose_share * all)
      candidates.push_back({each.type, std::move(ways.unreached)});
    else
      row = spread_of(each.type, ways, all);
    if (!row)
      continue;
    row->bytes_of_object = own_bytes(reader_, objects, each.type);
    found.push_back(std::move(*row));
  }
  drop_parts(found);
  if (auto cycle = cycle_of(std::move(candidates)))
    found.push_back(std::move(*cycle));
  return found;
}

/// Most of them are held in the same way, by containers of one kind. Where others are known to be
/// somewhere that grows, that is where there are more.
std::optional<LooseObjects> LooseSearch::spread_of(TypeNumber type, const Ways& ways,
                                                   double all) const {
  constexpr double most = 0.5;
  constexpr double few = 0.2;
  if (static_cast<double>(ways.explained) > few * all ||
      static_cast<double>(ways.unreached.size()) > few * all)
    return std::nullopt;
  const auto way =
      std::max_element(ways.others.begin(), ways.others.end(), [](const auto& a, const auto& b) {
        return a.second.size() < b.second.size();
      });
  if (way == ways.others.end() || static_cast<double>(way->second.size()) < most * all ||
      !is_element(way->second.front().steps.back()))
    return std::nullopt;
  std::set<std::uint64_t> holders;
  for (const RetainerPath& path : way->second)
    holders.insert(path.steps.back().holder);
  if (holders.size() < least_links)
    return std::nullopt; // it would be seen to grow
  LooseObjects found;
  found.kind = LooseKind::spread;
  found.type = type;
  found.path = way->first;
  found.spread = way->second.back();
  found.owner = owner_of_root(*found.spread->root);
  found.spread->steps.pop_back();
  return found;
}

/// What is a part of other objects grows with them.
void LooseSearch::drop_parts(std::vector<LooseObjects>& found) {
  std::sort(found.begin(), found.end(), [](const LooseObjects& a, const LooseObjects& b) {
    return a.path.size() < b.path.size();
  });
  std::vector<LooseObjects> whole;
  for (LooseObjects& each : found)
    if (std::none_of(whole.begin(), whole.end(), [&](const LooseObjects& other) {
          return other.spread && each.path.starts_with(other.path);
        }))
      whole.push_back(std::move(each));
  found = std::move(whole);
}

/// Objects of the type on the path, as far as it matters.
std::size_t LooseSearch::links_of(TypeNumber type, const RetainerPath& path) const {
  std::size_t links = 0;
  for (std::size_t i = 0; i < path.steps.size() && links < least_links; i++)
    links += reader_.type_of(path.steps[i].object) == type ? 1 : 0;
  return links;
}

/// The path to its first link, and on to the next.
LooseObjects LooseSearch::describe_chain(TypeNumber type, const RetainerPath& path) const {
  std::size_t links = 0;
  std::size_t shown = 0;
  for (; shown < path.steps.size() && links < 2; shown++)
    links += reader_.type_of(path.steps[shown].object) == type ? 1 : 0;
  LooseObjects found;
  found.type = type;
  found.owner = owner_of_root(*path.root);
  found.path =
      path.root->name + steps_text(reader_, std::span(path.steps).first(shown), show_keys_) + "…";
  const PathStep& first = path.steps.front();
  find_makers(found, first.kind == HoldKind::attribute ? first.label : path.root->variable);
  return found;
}

/// Where its class is called; of a type that is built in, where the name is used that leads to it.
void LooseSearch::find_makers(LooseObjects& found, std::uint64_t name) const {
  const ObjectType& type = reader_.type(found.type);
  const bool has_class = type.has(type_flag::heap_type);
  if (has_class)
    found.makers = likely(stores_.find_calls_by(type.name));
  else if (name != 0)
    found.makers = likely(stores_.find_calls_of(name));
}

std::optional<LooseObjects> LooseSearch::cycle_of(std::vector<Candidate> candidates) const {
  std::sort(candidates.begin(), candidates.end(), [&](const auto& a, const auto& b) {
    const ObjectType& of_a = reader_.type(a.type);
    const ObjectType& of_b = reader_.type(b.type);
    return weight(of_a) != weight(of_b) ? weight(of_a) > weight(of_b) : of_a.name < of_b.name;
  });
  if (candidates.size() > most_candidates)
    candidates.resize(most_candidates);
  std::optional<LooseObjects> found;
  for (const Candidate& candidate : candidates) {
    const auto& objects = candidate.unreached;
    for (std::size_t i = 0; i < std::min(objects.size(), most_tried_objects) && !found; i++) {
      const auto cycle = find_dead_cycle(reader_, objects[i]);
      if (cycle.empty())
        continue;
      found = describe_cycle(candidate.type, steps_of(cycle));
      found->bytes_of_object = own_bytes(reader_, objects, candidate.type);
    }
  }
  if (!found)
    return found;
  for (const Candidate& candidate : candidates)
    if (candidate.type != found->type && found->also.size() < most_also)
      found->also.push_back(reader_.type(candidate.type).name);
  return found;
}

/// A cycle has no beginning: it is told from the variable of a frame, or else from the object that
/// it was found for.
LooseObjects LooseSearch::describe_cycle(TypeNumber type, std::vector<PathStep> steps) const {
  LooseObjects found;
  found.type = type;
  found.kind = LooseKind::cycle;
  const auto variable = std::find_if(steps.begin(), steps.end(), [](const PathStep& step) {
    return step.kind == HoldKind::local;
  });
  if (variable != steps.end())
    std::rotate(steps.begin(), variable, steps.end());
  const PathStep& begin = steps.front();
  const auto holder = reader_.type_of(begin.holder);
  std::string name = holder ? reader_.type(*holder).name : "?";
  const std::uint64_t frame = holder && reader_.type(*holder).shape == ObjectShape::frame
                                  ? reader_.frame_of_object(begin.holder)
                              : holder && reader_.type(*holder).shape == ObjectShape::generator
                                  ? reader_.frame_of_generator(begin.holder)
                                  : 0;
  if (const auto function = function_of(reader_, places_, frame)) {
    name = function->name;
    found.owner = owner_of(function->file);
    found.makers = stores_.find_assignments(reader_.code_of_frame(frame), begin.label);
    found.assigned = true;
  } else {
    find_makers(found, 0);
    if (found.makers.empty())
      found.owner = PythonOwner::package; // as far as anybody can tell
  }
  found.path = name + steps_text(reader_, steps, show_keys_);
  return found;
}

} // namespace leakbpf
