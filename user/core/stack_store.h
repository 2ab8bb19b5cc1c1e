// SPDX-License-Identifier: Apache-2.0
// The stacks of a run: from what the kernel side calls them to the places that their frames are at.
#pragma once

#include "core/hash_list.h"
#include "core/located_stack.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace leakbpf {

/// A *hash* is the kernel's, of addresses; a *place* is the hash of a LocatedStack.
class StackStore {
public:
  [[nodiscard]] bool knows(std::uint64_t hash) const { return places_of_.contains(hash); }
  [[nodiscard]] std::optional<std::uint64_t> place_of(std::uint64_t hash) const;
  [[nodiscard]] bool has(std::uint64_t place) const { return stacks_.contains(place); }
  [[nodiscard]] const LocatedStack* find(std::uint64_t place) const;
  [[nodiscard]] std::size_t size() const { return stacks_.size(); }

  /// True where these places are new.
  bool add(std::uint64_t hash, LocatedStack stack);
  /// Keeps a stack that has no name in the kernel, or none any more.
  void keep(std::uint64_t place, LocatedStack stack) { stacks_.emplace(place, std::move(stack)); }

  /// It maps memory that cannot be written yet.
  void mark_reserving(std::uint64_t hash) { reserving_.insert(hash); }
  [[nodiscard]] bool is_reserving(std::uint64_t hash) const { return reserving_.contains(hash); }

  /// When the kernel side forgets the stack and meets it again, nothing is counted as lost twice:
  /// it is whole, or in code that is there no more.
  [[nodiscard]] bool may_come_back(std::uint64_t hash) const;
  /// The kernel side forgets the stack. A program that has seen it there may still begin a site of
  /// it: its place stays known for a time.
  void forget(std::uint64_t hash);
  /// So many are forgotten, and have their places.
  [[nodiscard]] std::size_t forgotten() const { return forgotten_.size(); }
  /// The places of those that are not among `in_use` go.
  void drop_forgotten(HashList& in_use);
  /// All but these places go.
  void keep_only(const std::unordered_set<std::uint64_t>& places);

private:
  std::unordered_map<std::uint64_t, LocatedStack> stacks_;     ///< by place
  std::unordered_map<std::uint64_t, std::uint64_t> places_of_; ///< by hash
  std::unordered_set<std::uint64_t> reserving_;                ///< hashes
  std::vector<std::uint64_t> forgotten_;                       ///< hashes
};

} // namespace leakbpf
