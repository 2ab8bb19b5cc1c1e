// SPDX-License-Identifier: Apache-2.0
// How many objects of each type a process has over time, and of which types there are more and
// more.
#pragma once

#include "core/history.h"
#include "core/trend.h"
#include "held/census.h"
#include "held/entry_series.h"

#include <cstdint>
#include <vector>

namespace leakbpf {

struct GrowingType {
  TypeNumber type = 0;
  std::uint64_t objects = 0;  ///< at the last census
  double bytes_of_object = 0; ///< of its block, on average
  Trend trend;                ///< of the number of objects
};

class TypeWatch {
public:
  explicit TypeWatch(const ObjectTypes& types) : types_(types) {}

  /// Takes note of a census, taken at `t` seconds.
  void add(const Census& census, double t);
  /// Types whose objects may hold others, and of which there are more and more: not only for
  /// reasons of the rest of what the process does.
  [[nodiscard]] std::vector<GrowingType> growing(double from) const;
  /// Types that have grown at all since the first census: what may be found to grow later.
  [[nodiscard]] std::vector<TypeNumber> risen() const;
  [[nodiscard]] EntrySeries series(TypeNumber type) const;

private:
  [[nodiscard]] bool has_risen(TypeNumber type, std::vector<double>& counts) const;

  const ObjectTypes& types_;
  std::vector<TypeCount> last_;
  SeriesTable<TypeNumber> counts_;
};

} // namespace leakbpf
