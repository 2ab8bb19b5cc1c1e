// SPDX-License-Identifier: Apache-2.0
// What a view shows: the latest report, arranged as it is wanted, and what was seen before it.
#pragma once

#include "core/history.h"
#include "core/pattern.h"
#include "core/report.h"
#include "view/view_state.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace leakbpf {

/// A row of the table: one of a report's lists.
struct ViewRow {
  enum class Of : std::uint8_t { site, container, process };
  Of of = Of::site;
  std::size_t index = 0;
};

/// What the resident memory of targets was, in the reports that came, or in the one of a file.
class MemorySeries {
public:
  void add(const Report& report);
  /// Bytes, the oldest first.
  [[nodiscard]] std::vector<double> of(std::int32_t pid) const;

private:
  void put(std::int32_t pid, const std::optional<std::uint64_t>& bytes) {
    if (bytes)
      series_[pid].add(static_cast<double>(*bytes));
  }

  std::unordered_map<std::int32_t, ThinnedList<double, 240>> series_;
  double last_seconds_ = -1;
};

class ViewData {
public:
  /// `report` is of stacks, as Tracing::report and files have them.
  void put(std::shared_ptr<const Report> report);
  /// Makes the rows anew, after a report or a wish has changed.
  void arrange_for(const ViewState& state);
  [[nodiscard]] bool has_report() const { return report_ != nullptr; }
  /// As it is arranged.
  [[nodiscard]] const Report& report() const { return arranged_; }
  [[nodiscard]] const std::vector<ViewRow>& rows() const { return rows_; }
  /// The same for the same thing in later reports.
  [[nodiscard]] std::string key_of(const ViewRow& row) const;
  [[nodiscard]] const MemorySeries& memory() const { return memory_; }

  /// Remembers what is outstanding now; a second time: forgets it.
  void toggle_mark();
  /// Compares with another run, whose processes and stacks have other numbers; `name` is its file.
  void compare_with(std::shared_ptr<const Report> before, std::string name);
  [[nodiscard]] bool has_mark() const { return mark_ != nullptr; }
  /// Of the run that is compared with; empty: a moment of this one is.
  [[nodiscard]] const std::string& compared_with() const { return compared_with_; }
  /// Seconds of the run.
  [[nodiscard]] double mark_seconds() const { return mark_ ? mark_->duration_seconds : 0; }
  /// Bytes that the row grew by since the mark; nothing for a process whose memory is not known.
  [[nodiscard]] std::optional<double> since_mark(const ViewRow& row) const;

private:
  [[nodiscard]] std::optional<double> bytes_of(const ViewRow& row) const;
  void sort_by_change();
  [[nodiscard]] std::vector<ViewRow> rows_of(Tab tab) const;
  void add_containers(std::vector<ViewRow>& rows, std::optional<bool> leading) const;
  void add_sites(std::vector<ViewRow>& rows, bool behind) const;

  std::shared_ptr<const Report> report_;
  std::shared_ptr<const Report> mark_;
  std::string compared_with_;
  Report arranged_;
  bool stacks_apart_ = false; ///< stacks of one culprit are rows of their own
  std::unordered_map<std::string, double> marked_bytes_; ///< by key_of()
  std::vector<ViewRow> rows_;
  MemorySeries memory_;
};

} // namespace leakbpf
