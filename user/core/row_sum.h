// SPDX-License-Identifier: Apache-2.0
// The sum of several rows of a report: their numbers together, under the names of one of them.
#pragma once

#include "core/report.h"

#include <cstdint>

namespace leakbpf {

/// Growth, in bytes a minute, that a row brings into a sum for certain: no more than its severity
/// says, since growth that slows down is judged by where it leads.
[[nodiscard]] double sustained_growth(const SiteReport& site);

/// Growth in memory, in bytes a minute: of mappings, where it is known, that of what is resident.
[[nodiscard]] double growth_in_memory(const SiteReport& site);

/// Most of the row's outstanding bytes are known to be address space alone: neither in RAM nor
/// swapped out.
[[nodiscard]] bool is_sparse(const SiteReport& site);

class RowSum {
public:
  /// `first` gives the sum its names.
  explicit RowSum(SiteReport first);

  /// Totals, growth and errors are added up, the oldest age is the oldest, and the severity is that
  /// of all growth together. Medians, shares and series are unknown from here on.
  void add(const SiteReport& more);
  void add(const RowSum& more);
  /// As add(), but for the names: those of `more` from here on when more of it is outstanding.
  void add_by_size(SiteReport more);
  void add_by_size(const RowSum& more);

  [[nodiscard]] const SiteReport& row() const { return row_; }
  [[nodiscard]] SiteReport& row() { return row_; }

private:
  void add_numbers(const SiteReport& more, double brought);
  void take_names(SiteReport&& more, std::uint64_t bytes);

  SiteReport row_;
  std::uint64_t named_bytes_ = 0; ///< outstanding bytes of the row that the names are from
  double sustained_ = 0;          ///< growth, in bytes a minute
};

} // namespace leakbpf
