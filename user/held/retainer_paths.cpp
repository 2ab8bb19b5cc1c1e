// SPDX-License-Identifier: Apache-2.0
#include "held/retainer_paths.h"

#include "held/path_roots.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace leakbpf {

/// Others hold nothing, or are roots of their own.
bool RetainerSearch::is_worth(const ObjectType& type) const {
  return type.shape != ObjectShape::text && type.shape != ObjectShape::code &&
         type.shape != ObjectShape::module;
}

bool RetainerSearch::is_passing(const ObjectType& type) {
  return type.shape == ObjectShape::generator || type.shape == ObjectShape::weak_reference ||
         type.name.ends_with("Task");
}

void RetainerSearch::visit(std::uint32_t number) {
  const std::uint64_t holder = nodes_[number].reference.to;
  const auto type = reader_.type_of(holder);
  if (!type || *type != nodes_[number].type)
    return; // another object by now
  if (defer_ && is_passing(reader_.type(*type))) {
    deferred_.push_back(number);
    return;
  }
  std::vector<Reference> found =
      reader_.references(holder, nodes_[number].type, limits_.most_of_one);
  std::erase_if(found, [&](const Reference& each) { return by_address_.contains(each.to); });
  const std::vector<std::optional<TypeNumber>> types = reader_.types_of(found);
  for (std::size_t i = 0; i < found.size() && !hit_limit(); i++) {
    if (!types[i] || !is_worth(reader_.type(*types[i])))
      continue;
    if (by_address_.try_emplace(found[i].to, static_cast<std::uint32_t>(nodes_.size())).second)
      nodes_.push_back({found[i], *types[i], number, nodes_[number].root});
  }
}

void RetainerSearch::run(std::span<const PathRoot> roots, std::span<const std::uint64_t> objects) {
  auto next = static_cast<std::uint32_t>(nodes_.size());
  for (const PathRoot& root : roots) {
    const auto type = reader_.type_of(root.object);
    const auto number = static_cast<std::uint32_t>(nodes_.size());
    if (type && by_address_.try_emplace(root.object, number).second)
      nodes_.push_back({{root.object, HoldKind::root, 0}, *type, number, &root});
  }
  go_on(next, objects);
}

void RetainerSearch::run_deferred(std::span<const std::uint64_t> objects) {
  const auto next = static_cast<std::uint32_t>(nodes_.size());
  defer_ = false;
  for (const std::uint32_t number : std::exchange(deferred_, {}))
    visit(number);
  go_on(next, objects);
}

/// From the node of this number on, until all are found.
void RetainerSearch::go_on(std::uint32_t next, std::span<const std::uint64_t> objects) {
  std::size_t checked = nodes_.size(); // those before are no more looked for
  auto left = static_cast<std::size_t>(std::count_if(
      objects.begin(), objects.end(), [&](std::uint64_t object) { return !reached(object); }));
  const std::unordered_set<std::uint64_t> wanted(objects.begin(), objects.end());
  for (; next < nodes_.size() && left > 0 && !hit_limit(); next++) {
    visit(next);
    for (; checked < nodes_.size(); checked++)
      left -= wanted.contains(nodes_[checked].reference.to) ? 1 : 0;
  }
}

bool RetainerSearch::still_holds(const RetainerPath& path) const {
  return std::all_of(path.steps.begin(), path.steps.end(), [&](const PathStep& step) {
    const auto type = reader_.type_of(step.holder);
    if (!type)
      return false;
    const std::vector<Reference> now = reader_.references(step.holder, *type, limits_.most_of_one);
    return std::any_of(now.begin(), now.end(),
                       [&](const Reference& each) { return each.to == step.object; });
  });
}

std::optional<RetainerPath> RetainerSearch::path_to(std::uint64_t object) const {
  const auto found = by_address_.find(object);
  if (found == by_address_.end())
    return std::nullopt;
  RetainerPath path;
  std::uint32_t number = found->second;
  path.root = nodes_[number].root;
  for (; nodes_[number].parent != number; number = nodes_[number].parent) {
    const Node& node = nodes_[number];
    path.steps.push_back({node.reference.kind, node.reference.label, node.reference.to,
                          nodes_[node.parent].reference.to});
  }
  std::reverse(path.steps.begin(), path.steps.end());
  shorten(path);
  name_thread_locals(path);
  return path;
}

void RetainerSearch::begin_at(std::span<const PathRoot> generators) {
  for (const PathRoot& root : generators)
    if (owner_of_root(root) == PythonOwner::application)
      generators_.emplace(root.object, &root);
}

void RetainerSearch::shorten(RetainerPath& path) const {
  if (generators_.empty() || owner_of_root(*path.root) == PythonOwner::application)
    return;
  for (auto step = path.steps.rbegin(); step != path.steps.rend(); ++step) {
    const auto found = generators_.find(step->holder);
    if (step->kind != HoldKind::local || found == generators_.end())
      continue;
    path.root = found->second;
    path.steps.erase(path.steps.begin(), std::prev(step.base()));
    return;
  }
}

/// An object of threading.local keeps the attributes of each thread in a dict of their own.
void RetainerSearch::name_thread_locals(RetainerPath& path) const {
  for (std::size_t i = 0; i + 2 < path.steps.size(); i++) {
    if (path.steps[i].kind != HoldKind::field || path.steps[i + 1].kind != HoldKind::value ||
        path.steps[i + 2].kind != HoldKind::value)
      continue;
    const auto type = reader_.type_of(path.steps[i].holder);
    if (!type || !reader_.type(*type).name.ends_with("_local"))
      continue;
    path.steps[i + 1].kind = HoldKind::contents;
    path.steps[i + 2].kind = HoldKind::attribute;
  }
}

} // namespace leakbpf
