// SPDX-License-Identifier: Apache-2.0
#include "core/verdict.h"

#include "core/units.h"
#include "core/verdict_words.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr double nearly_full = 0.9;
constexpr double soon_seconds = 3600;
// Below this, what is outstanding does not account for the growth, and a sentence says what may.
constexpr double well_explained = 70;
constexpr double short_run_seconds = 120;

/// The confidence bounds are of the growth over all.
std::string bounds_text(const Trend& trend) {
  if (trend.rate < trend.lower || trend.rate > trend.upper)
    return " lately";
  return fmt::format(" ({} to {})", format_bytes(trend.lower * 60), format_bytes(trend.upper * 60));
}

double sustained_rate(const std::optional<Trend>& trend) {
  return trend && trend->sustained() ? std::max(trend->rate, 0.0) : 0;
}

/// Bytes a second, of what was allocated. What churns beside it can hide the growth of the sum.
double allocated_rate(const TargetEvidence& evidence) {
  return std::max(sustained_rate(evidence.outstanding), evidence.sites.rate);
}

/// Bytes a second by which room between the blocks of its heap grows: for sure, or at most.
double room_rate(const TargetEvidence& evidence, double RoomGrowth::*share = &RoomGrowth::share) {
  const auto& memory = judged_memory(evidence);
  return evidence.room && memory ? (*evidence.room).*share * std::max(memory->rate, 0.0) : 0;
}

/// Bytes a second that others than pages show: allocations and containers, two views of one memory.
double seen_rate(const TargetEvidence& evidence) {
  return std::max(allocated_rate(evidence), evidence.held.rate);
}

class TargetJudge {
public:
  explicit TargetJudge(const TargetEvidence& evidence) : evidence_(evidence) {}

  TargetJudgement judge() {
    if (!evidence_.memory || evidence_.memory->shape == TrendShape::too_short) {
      reason("too little data to tell");
      if (evidence_.memory)
        judged_.growth_bytes_per_minute = evidence_.memory->rate * 60;
      return judged_;
    }
    judged_.growth_bytes_per_minute = evidence_.memory->rate * 60;
    if (evidence_.young) {
      reason(fmt::format("only {} observed", format_duration(evidence_.seconds)));
      return judged_;
    }
    if (memory().sustained())
      growing();
    else
      not_growing();
    if (!evidence_.no_held.empty())
      reason(evidence_.no_held);
    for (const std::string& lost : evidence_.losses.words)
      reason("lost: " + lost +
             (evidence_.losses.share >= many_lost
                  ? ": the rows below are less certain than the growth"
                  : ""));
    return judged_;
  }

private:
  /// Near a limit the kernel drops pages of files, and what leaks takes their place in the RSS.
  [[nodiscard]] bool is_hidden() const { return &judged_memory(evidence_) == &evidence_.anonymous; }
  [[nodiscard]] const Trend& memory() const { return *judged_memory(evidence_); }
  void reason(std::string text) { judged_.verdict.reasons.push_back(std::move(text)); }

  void growing() {
    reason(fmt::format("{} grows {}{}, {}", is_hidden() ? "anonymous memory" : "RSS",
                       per_minute(memory().rate), bounds_text(memory()), intervals_text(memory())));
    if (is_hidden())
      reason("the RSS hides it: file-backed pages are being reclaimed");
    const double lasting = lasting_rate();
    if (memory().shape == TrendShape::slowing && lasting < memory().rate && room_text().empty())
      reason(slowing_text(memory(), lasting));
    if (evidence_.suppressed_rate > 0)
      reason(fmt::format("up to {} of it is from suppressed stacks and does not count",
                         per_minute(std::min(evidence_.suppressed_rate, memory().rate))));
    const bool all_suppressed = evidence_.suppressed_rate > 0 &&
                                lasting + room_rate(evidence_) < 0.1 * evidence_.suppressed_rate;
    judged_.verdict.severity = all_suppressed ? Severity::none : severity_of_growth(lasting * 60);
    explain();
    doubt_short_run();
    if (!all_suppressed)
      against_limit();
  }

  /// What the growth will be. Sites have no noise of the allocator in them: what they explain of
  /// the RSS is taken from them, the rest from the RSS, and no more than it may grow.
  [[nodiscard]] double lasting_rate() const {
    const double rest = std::max(memory().rate - known().rate, 0.0) / std::max(memory().rate, 1e-9);
    const double room = room_rate(evidence_, &RoomGrowth::most_share);
    const double unexplained =
        std::max(rest * memory().projected - evidence_.suppressed_rate - room, 0.0);
    return std::min(known().projected + (is_within_harmless() ? 0 : unexplained),
                    std::max(memory().upper, memory().rate));
  }

  /// Sites, containers and pages are views of the same memory: the one that shows more of it.
  [[nodiscard]] const SureGrowth& known() const {
    if (is_shown_by_pages(evidence_))
      return evidence_.touched;
    return evidence_.held.rate > evidence_.sites.rate ? evidence_.held : evidence_.sites;
  }

  /// Is the growth, as far as it is certain, no more than what sites and suppressed stacks take,
  /// beside its part that is room in the heap? The RSS comes in steps: more than they take is noise
  /// up to its confidence bounds.
  [[nodiscard]] bool is_within_harmless() const {
    const double room = evidence_.room ? evidence_.room->share : 0;
    return evidence_.suppressed_rate + room > 0 &&
           known().rate + evidence_.suppressed_rate >=
               (1 - room) * std::min(memory().lower, memory().rate);
  }

  /// The resident part of a heap breathes for tens of seconds at a time: in a short run what no
  /// allocation accounts for weighs less.
  void doubt_short_run() {
    const auto& outstanding = evidence_.outstanding;
    const double supported = std::max(
        known().projected, outstanding && outstanding->sustained() ? outstanding->projected : 0);
    const Severity severity = *judged_.verdict.severity;
    const Severity milder = std::max(severity_of_growth(supported * 60), one_lower(severity));
    if (evidence_.seconds >= short_run_seconds || milder >= severity)
      return;
    judged_.verdict.severity = milder;
    reason(fmt::format("graded one step lower, because {} is a short run: growth that no "
                       "allocation accounts for may be heap noise",
                       format_duration(evidence_.seconds)));
  }

  /// Memory that runs out soon is critical however slowly that comes.
  void against_limit() {
    if (!evidence_.limit)
      return;
    const LimitUse& use = *evidence_.limit;
    const auto limit = static_cast<double>(use.limit.bytes);
    const std::string name = fmt::format("{} ({})", format_bytes(limit), use.limit.source);
    judged_.seconds_to_limit = std::max(use.left, 0.0) / std::max(memory().rate, 1e-9);
    const bool full = use.used >= nearly_full * limit;
    const bool soon = *judged_.seconds_to_limit <= soon_seconds;
    if (full)
      reason(fmt::format("{:.0f}% of the limit of {} is used", 100 * use.used / limit, name));
    if (*judged_.seconds_to_limit < 30 * 86400.0)
      reason(fmt::format("at this rate, the limit of {} is reached in {}", name,
                         format_duration(*judged_.seconds_to_limit)));
    if (full || soon)
      judged_.verdict.severity = Severity::critical;
  }

  void explain() {
    const double outstanding = allocated_rate(evidence_);
    const double held = evidence_.held.rate;
    const auto percent = [&](double rate) {
      return std::clamp(100 * rate / memory().rate, 0.0, 100.0);
    };
    judged_.explained_percent = percent(seen_rate(evidence_));
    if (is_shown_by_pages(evidence_)) {
      judged_.explained_percent = percent(evidence_.touched.rate);
      reason(touched_text(percent(seen_rate(evidence_))));
      return;
    }
    const bool by_containers =
        evidence_.held_only || held > outstanding || percent(held) >= well_explained;
    const double told = percent(by_containers ? held : outstanding);
    const std::string_view what = by_containers ? "growing containers" : "outstanding allocations";
    if (told >= well_explained)
      reason(fmt::format("{} account for {:.0f}% of it", what, told));
    else if (const std::string room = room_text(); room.empty())
      reason(fmt::format("{} account for only {:.0f}% of it: {}", what, told, rest_text()));
    else if (told + percent(room_rate(evidence_)) >= well_explained)
      reason(fmt::format("{} account for only {:.0f}% of it, {}", what, told, room));
    else
      reason(
          fmt::format("{} account for only {:.0f}% of it, {}; {}", what, told, room, rest_text()));
  }

  [[nodiscard]] std::string touched_text(double told) const {
    return fmt::format("allocations account for {:.0f}% of it, first touches of pages for {:.0f}%: "
                       "rows of kind pages name the code (traced for the last {})",
                       told, *judged_.explained_percent, format_duration(*evidence_.pages_seconds));
  }

  /// Nothing of little room.
  [[nodiscard]] std::string room_text() const {
    constexpr double told_share = 0.3;
    const auto& room = evidence_.room;
    if (!room || room->share < told_share)
      return "";
    return fmt::format("{:.0f}% is fragmentation: free space in the heap grows {}, to {} "
                       "(malloc_trim(3) or another allocator returns it)",
                       100 * room->share, per_minute(room_rate(evidence_)),
                       format_bytes(room->bytes));
  }

  /// What the growth may be that is in no row.
  [[nodiscard]] std::string rest_text() const {
    if (evidence_.held_only)
      return "the rest is native, or in a container that was not seen: a run without --kinds held "
             "shows who allocates it";
    const double file = sustained_rate(evidence_.file);
    const double shared = sustained_rate(evidence_.shared);
    const double swapped = sustained_rate(evidence_.swapped);
    if (file > memory().rate / 2)
      return fmt::format("file-backed pages grow {}, which the kernel can reclaim",
                         per_minute(file));
    if (shared > memory().rate / 2)
      return fmt::format("shared memory (tmpfs, memfd, shmem) grows {}", per_minute(shared));
    std::string text = "the rest is heap fragmentation, first use of memory allocated before the "
                       "attach, thread stacks, or memory from direct system calls";
    if (evidence_.pages_seconds)
      text += fmt::format("; its page faults have been traced for {}, and no code has been seen "
                          "yet that keeps touching more",
                          format_duration(*evidence_.pages_seconds));
    else if (!evidence_.by_pages)
      text += "; a run with --kinds pages shows the code that touches it";
    if (swapped > 0)
      text += fmt::format("; {} goes to swap", per_minute(swapped));
    return text;
  }

  void not_growing() {
    judged_.verdict.severity = Severity::none;
    reason(no_growth_text("RSS", memory()));
    const double heap = evidence_.heap_sites.rate;
    const double held = evidence_.held.rate;
    if (std::max(heap, held) * memory().span_seconds < least_rise_bytes)
      return;
    if (heap >= held && evidence_.replaced_share >= mostly_replaced) {
      reason(fmt::format("outstanding bytes grow {}, but replace blocks from before the attach "
                         "that are being freed",
                         per_minute(heap)));
      return;
    }
    // The heap had room; when that is used up the RSS will follow.
    judged_.verdict.severity = Severity::low;
    reason(fmt::format("but {} grow {} within memory that the process already has: the RSS follows "
                       "when that is used up",
                       held > heap ? "containers" : "outstanding bytes",
                       per_minute(std::max(heap, held))));
  }

  const TargetEvidence& evidence_;
  TargetJudgement judged_;
};

} // namespace

const std::optional<Trend>& judged_memory(const TargetEvidence& evidence) {
  const bool hidden = evidence.memory && !evidence.memory->sustained() && evidence.anonymous &&
                      evidence.anonymous->sustained();
  return hidden ? evidence.anonymous : evidence.memory;
}

bool needs_pages(const TargetEvidence& evidence) {
  const auto& memory = judged_memory(evidence);
  return evidence.pages_seconds && memory && memory->sustained() &&
         100 * (seen_rate(evidence) + room_rate(evidence)) < well_explained * memory->rate;
}

bool is_shown_by_pages(const TargetEvidence& evidence) {
  return needs_pages(evidence) && evidence.touched.rate > seen_rate(evidence);
}

TargetJudgement judge_target(const TargetEvidence& evidence) {
  return TargetJudge(evidence).judge();
}

} // namespace leakbpf
