// SPDX-License-Identifier: Apache-2.0
// Who holds an object: the shortest way to it from a name in the program, found forward and breadth
// first from the modules, then from what only threads, tasks and generators hold.
#pragma once

#include "held/object_reader.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace leakbpf {

/// From where the search goes.
struct PathRoot {
  std::uint64_t object = 0;
  std::string name; ///< as the path begins: "shop", "task of shop.serve()"
  std::string file; ///< of the module, as the process has it; empty: none
  /// Of a variable of a function that runs: address of the str with its name. Else 0.
  std::uint64_t variable = 0;
};

struct PathStep {
  HoldKind kind = HoldKind::field;
  std::uint64_t label = 0;
  std::uint64_t object = 0;
  std::uint64_t holder = 0; ///< the object that this one was reached from
};

struct RetainerPath {
  const PathRoot* root = nullptr;
  std::vector<PathStep> steps; ///< from the root on; the last one is the object itself
};

struct SearchLimits {
  std::size_t most_objects = 200'000;
  std::size_t most_of_one = 4'000; ///< entries of one container
};

class RetainerSearch {
public:
  RetainerSearch(const ObjectReader& reader, SearchLimits limits = {})
      : reader_(reader), limits_(limits) {}

  /// Looks for `objects` from `roots`, which come in the order in which they may claim, and
  /// outlive the search. What an earlier call visited stays visited. Ends when all are found.
  ///
  /// What leads through a task, a coroutine or a weak reference is left for run_deferred(): such
  /// ways are there for a moment only, and say little.
  void run(std::span<const PathRoot> roots, std::span<const std::uint64_t> objects);
  /// Goes on through what was left out.
  void run_deferred(std::span<const std::uint64_t> objects);
  /// Ways from Python's own modules and packages through one of these, when it is the
  /// application's, begin there: a task is known by its coroutine, not by what runs it. They
  /// outlive the search.
  void begin_at(std::span<const PathRoot> generators);
  /// Nothing when it was not reached.
  [[nodiscard]] std::optional<RetainerPath> path_to(std::uint64_t object) const;
  /// Does each object on the path still hold the next? Objects come and go while others are read.
  [[nodiscard]] bool still_holds(const RetainerPath& path) const;
  [[nodiscard]] bool reached(std::uint64_t object) const { return by_address_.contains(object); }
  [[nodiscard]] std::size_t visited() const { return nodes_.size(); }
  [[nodiscard]] bool hit_limit() const { return nodes_.size() >= limits_.most_objects; }

private:
  struct Node {
    Reference reference;
    TypeNumber type = 0;
    std::uint32_t parent = 0; ///< its own number: it is a root
    const PathRoot* root = nullptr;
  };
  void visit(std::uint32_t number);
  void go_on(std::uint32_t next, std::span<const std::uint64_t> objects);
  void name_thread_locals(RetainerPath& path) const;
  void shorten(RetainerPath& path) const;
  [[nodiscard]] static bool is_passing(const ObjectType& type);
  [[nodiscard]] bool is_worth(const ObjectType& type) const;

  const ObjectReader& reader_;
  SearchLimits limits_;
  std::vector<Node> nodes_;
  std::unordered_map<std::uint64_t, std::uint32_t> by_address_;
  bool defer_ = true;
  std::vector<std::uint32_t> deferred_;
  std::unordered_map<std::uint64_t, const PathRoot*> generators_; ///< of the application
};

} // namespace leakbpf
