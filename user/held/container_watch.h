// SPDX-License-Identifier: Apache-2.0
// The numbers of entries of a process's containers over time, and which of them grow.
#pragma once

#include "base/process_memory.h"
#include "core/history.h"
#include "core/trend.h"
#include "held/census.h"
#include "held/entry_series.h"
#include "held/object_layout.h"

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace leakbpf {

struct GrowingContainer {
  HeapContainer container; ///< with its entries at the last look
  Trend trend;             ///< of its entries
};

class ContainerWatch {
public:
  ContainerWatch(const ProcessMemory& memory, const ObjectLayout& layout)
      : memory_(memory), layout_(layout) {}

  /// Containers of a census, taken at `t` seconds, are watched from now on; those that were stay.
  void add(const Census& census, double t);
  /// Reads how many entries each has, at `t` seconds. What is another object by now, or none, is
  /// forgotten.
  void sample(double t);
  /// Those that grow and have not stopped, the one that grows fastest first. From `from` seconds
  /// on, or from when they were found.
  [[nodiscard]] std::vector<GrowingContainer> growing(double from) const;
  [[nodiscard]] EntrySeries series(std::uint64_t container) const;
  [[nodiscard]] std::size_t count() const { return containers_.size(); }

private:
  [[nodiscard]] bool is_bounded(const HeapContainer& container) const;
  [[nodiscard]] std::vector<std::uint64_t> addresses() const;
  void watch(const HeapContainer& container, double t);
  void take_head(std::uint64_t address, const std::uint64_t* head);

  const ProcessMemory& memory_;
  const ObjectLayout& layout_;
  struct Watched {
    HeapContainer container;
    double since = 0; ///< seconds
  };
  std::unordered_map<std::uint64_t, Watched> containers_; ///< by address
  /// Entries of the last census's small ones, by address.
  std::unordered_map<std::uint64_t, std::uint32_t> small_;
  SeriesTable<std::uint64_t> entries_; ///< by address
};

} // namespace leakbpf
