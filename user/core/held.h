// SPDX-License-Identifier: Apache-2.0
// A container of a Python process that grows, as it was read from outside: what it is, who holds
// it, what is in it, and which line fills it. Bytes are those that a row of a stack may also count:
// two views of the same memory.
#pragma once

#include "core/frame.h"
#include "core/severity.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace leakbpf {

/// Why a line is said to fill a container, the surest first.
enum class LineEvidence : std::uint8_t {
  stack,     ///< it was seen while it made the container larger
  hot,       ///< it is the only one that could, and runs often
  candidate, ///< it could, and so could others
};

struct HeldLine {
  std::string file;
  std::uint32_t line = 0;
  std::string function;
  std::string text; ///< of the source, where it could be read
  LineEvidence evidence = LineEvidence::candidate;
  bool calls = false; ///< it does not store itself, but calls what does: the next line

  friend bool operator==(const HeldLine&, const HeldLine&) = default;
};

enum class HeldPattern : std::uint8_t {
  unbounded_cache,
  unbounded_list,
  listeners,
  connections,
  cycles,
  tasks,
  threads,
};

struct HeldReport {
  std::size_t rank = 0;   ///< from 1
  std::size_t target = 0; ///< index into Report::targets
  std::int32_t pid = 0;   ///< of a row of several processes: where it grows fastest
  std::uint64_t processes = 1;
  std::string path;             ///< "shop.seen", "shop.sessions[*].history"
  std::string type;             ///< "dict", "collections.deque"
  std::uint64_t containers = 1; ///< that this path stands for
  std::uint64_t entries = 0;    ///< in all of them
  std::optional<double> entries_per_minute;
  std::string contents;               ///< "dict{session: str, items: list}"; empty: not known
  std::optional<std::uint64_t> bytes; ///< of all entries and the table; about
  std::optional<double> growth_bytes_per_minute;
  Verdict verdict;
  std::optional<double> score; ///< 0 to 1: how much it looks like a leak
  std::vector<HeldLine> lines; ///< that may fill it, the surest first
  std::string no_line;         ///< why there are none
  std::optional<HeldPattern> pattern;
  std::string note;              ///< what else there is to know of it
  std::string fix;               ///< what to do about it; empty: nothing is known
  std::vector<std::string> also; ///< paths to others that grow through the same cause
  /// Seconds, and the entries at them; empty: not kept for this row.
  std::vector<double> series_times;
  std::vector<std::uint64_t> series;

  friend bool operator==(const HeldReport&, const HeldReport&) = default;
};

/// The line as a frame of a Python stack.
[[nodiscard]] Frame frame_of(const HeldLine& line);
/// A row as patterns see it, those of suppressions and filters: its path, then its lines.
[[nodiscard]] Frames held_frames(const HeldReport& row);

/// A row as a stack, for flame graphs: from the outside in a box for all containers, its path, and
/// the surest line that fills it.
[[nodiscard]] Frames held_stack(const HeldReport& row);

/// As in a snapshot: "unbounded_cache".
[[nodiscard]] std::string_view pattern_name(HeldPattern pattern);
[[nodiscard]] std::optional<HeldPattern> pattern_named(std::string_view name);
[[nodiscard]] std::string_view evidence_name(LineEvidence evidence);
[[nodiscard]] std::optional<LineEvidence> evidence_named(std::string_view name);

} // namespace leakbpf
