// SPDX-License-Identifier: Apache-2.0
// What is said of a stack, looked up once and kept while its names cannot change: which rule hides
// it, whether the filter drops it, what its row is made by, which line is to blame.
#pragma once

#include "core/common_paths.h"
#include "core/frame_namer.h"
#include "core/grouping.h"
#include "core/pattern.h"
#include "core/report.h"
#include "core/stack_store.h"
#include "core/suppressions.h"
#include "symbol/source_lines.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace leakbpf {

class StackLabels {
public:
  /// What the user wants to see. All of it outlives the labels.
  struct Wishes {
    GroupBy group_by;
    const Suppressions& suppressions;
    const std::optional<Pattern>& filter;
  };
  /// What the labels ask of who follows the targets.
  struct Asks {
    /// The stack of a site that is not in the store; nothing where it was not recorded.
    std::function<std::optional<LocatedStack>(const SiteKey&)> locate;
    std::function<std::string(std::uint32_t target)> comm_of;
  };

  /// `stacks` and `namer` outlive the labels.
  StackLabels(const StackStore& stacks, FrameNamer& namer, const ProcFs& proc, Wishes wishes,
              Asks asks)
      : stacks_(stacks), namer_(namer), sources_(proc), wishes_(wishes), asks_(std::move(asks)) {}

  /// Innermost first. A stack that was not recorded is a note that says so.
  [[nodiscard]] Frames frames_of(const SiteKey& site);
  /// The rule that hides the site where it is shown; null: none. `grows`: what is taken once does
  /// not. A `whole` snapshot keeps what is hidden only because nobody wants to look at it.
  [[nodiscard]] const Suppression* hidden_by(const SiteKey& site, bool grows, bool whole);
  [[nodiscard]] bool is_filtered_out(const SiteKey& site);
  /// The frame that the site's row is made by; not for GroupBy::stack.
  [[nodiscard]] GroupFrame group_of(const SiteKey& site);
  /// Sets rows that leak against rows that come and go: what both pass through is a wrapper.
  void compare(std::vector<SiteReport> rows);
  /// Frames, culprit and the culprit's line; of a row that was grouped the line alone.
  void name(SiteReport& row);
  [[nodiscard]] SourceLines& sources() { return sources_; }
  /// Forgets what is known of all stacks but these, by place.
  void keep_only(const std::unordered_set<std::uint64_t>& places);

private:
  [[nodiscard]] bool has_last_names(const SiteKey& site, const Frames& frames) const;
  [[nodiscard]] const Suppression* suppressed_by(const SiteKey& site);

  const StackStore& stacks_;
  FrameNamer& namer_;
  SourceLines sources_;
  Wishes wishes_;
  Asks asks_;
  CommonPaths common_paths_;                                         ///< as compared last
  std::unordered_map<std::uint64_t, GroupFrame> groups_;             ///< by place
  std::unordered_map<std::uint64_t, const Suppression*> suppressed_; ///< likewise
  std::unordered_map<std::uint64_t, bool> filtered_;                 ///< likewise
};

} // namespace leakbpf
