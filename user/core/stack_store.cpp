// SPDX-License-Identifier: Apache-2.0
#include "core/stack_store.h"

#include <algorithm>
#include <utility>

namespace leakbpf {

std::optional<std::uint64_t> StackStore::place_of(std::uint64_t hash) const {
  const auto known = places_of_.find(hash);
  return known == places_of_.end() ? std::nullopt : std::optional(known->second);
}

const LocatedStack* StackStore::find(std::uint64_t place) const {
  const auto known = stacks_.find(place);
  return known == stacks_.end() ? nullptr : &known->second;
}

bool StackStore::add(std::uint64_t hash, LocatedStack stack) {
  const std::uint64_t place = hash_places(stack);
  places_of_.emplace(hash, place);
  return stacks_.emplace(place, std::move(stack)).second;
}

bool StackStore::may_come_back(std::uint64_t hash) const {
  const auto place = place_of(hash);
  const LocatedStack* const stack = place ? find(*place) : nullptr;
  if (!stack)
    return false;
  const auto is_gone = [](const CodePlace& code) { return code.module == CodePlace::no_module; };
  return stack->end == LEAKBPF_STACK_COMPLETE ||
         std::any_of(stack->places.begin(), stack->places.end(), is_gone);
}

void StackStore::forget(std::uint64_t hash) {
  reserving_.erase(hash);
  forgotten_.push_back(hash);
}

void StackStore::drop_forgotten(HashList& in_use) {
  for (const std::uint64_t hash : std::exchange(forgotten_, {}))
    if (!in_use.contains(hash))
      places_of_.erase(hash);
}

void StackStore::keep_only(const std::unordered_set<std::uint64_t>& places) {
  std::erase_if(places_of_, [&](const auto& known) { return !places.contains(known.second); });
  std::erase_if(stacks_, [&](const auto& known) { return !places.contains(known.first); });
}

} // namespace leakbpf
