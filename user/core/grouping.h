// SPDX-License-Identifier: Apache-2.0
// Adds up sites that have something in common: the line, the function, the request handler.
#pragma once

#include "core/report.h"
#include "core/row_sum.h"

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace leakbpf {

enum class GroupBy { stack, line, function, handler, module, process };

/// Index of the outermost frame of the application's own code: in a web service, the endpoint. What
/// only starts the program (the module that runs it, main) is passed over when it calls, through
/// other code, the application again. The culprit when the application has no frame.
[[nodiscard]] std::size_t find_handler(const Frames& frames);

/// The frame that stands for a whole stack when rows are made by `by`, and what makes two of them
/// the same row.
struct GroupFrame {
  std::string key;
  Frame frame;
};

/// For anything but stack and process. `culprit` is an index into `frames`.
[[nodiscard]] GroupFrame group_frame(GroupBy by, const Frames& frames, std::size_t culprit);

/// Adds up sites one by one, in any order.
class SiteMerger {
public:
  explicit SiteMerger(GroupBy by) : by_(by) {}

  /// `group` is what group_frame gives for the site.
  void add(SiteReport site, GroupFrame group);
  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] std::vector<SiteReport> rows() const;
  /// The same with the rows of `others`, whose numbers are added where both have a row.
  [[nodiscard]] std::vector<SiteReport> rows_with(const SiteMerger& others) const;

private:
  struct Row {
    std::string key; ///< what makes sites the same row
    RowSum sum;
    std::unordered_set<std::int32_t> pids;
  };

  static SiteReport sum_of(const Row& a, const Row& b);

  GroupBy by_;
  std::vector<Row> rows_;
  std::unordered_map<std::string, std::size_t> row_of_; ///< by Row::key
};

/// One row for the sites that `frame_of` gives the same key: totals and growth are sums, the oldest
/// age is the oldest, and the PID is that of the largest; `processes` says how many they are of.
/// Kinds stay apart, but for `process`, which alone keeps processes apart.
[[nodiscard]] std::vector<SiteReport>
merge_sites(std::vector<SiteReport> sites, GroupBy by,
            const std::function<GroupFrame(const SiteReport&)>& frame_of);

} // namespace leakbpf
