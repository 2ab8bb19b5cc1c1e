// SPDX-License-Identifier: Apache-2.0
#include "render/held_text.h"

#include "core/culprit.h"
#include "core/units.h"

#include <cmath>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// Entries a second, or a minute where that would be less than one.
std::string entry_rate(double per_minute) {
  const bool slow = per_minute < 60;
  return fmt::format("+{}/{}",
                     format_count(static_cast<std::uint64_t>(
                         std::lround(std::max(slow ? per_minute : per_minute / 60, 0.0)))),
                     slow ? "min" : "s");
}

/// A comment behind code is moved up to it.
std::string with_single_blanks(const std::string& text) {
  std::string single;
  for (const char letter : text)
    if (letter != ' ' || single.empty() || single.back() != ' ')
      single += letter;
  return single;
}

std::string line_text(const HeldLine& line) {
  return describe_frame(frame_of(line)) +
         (line.text.empty() ? "" : ": " + with_single_blanks(line.text));
}

std::string lead(const HeldReport& row, std::size_t index) {
  const HeldLine& line = row.lines[index];
  const bool spread = row.containers == 0 && !row.pattern && !row.path.ends_with("…");
  if (row.containers == 0 && !spread && line.calls)
    return line.evidence == LineEvidence::candidate ? "may be made at " : "made at ";
  if (row.containers == 0 && !spread)
    return line.evidence == LineEvidence::candidate ? "may be kept at " : "kept at ";
  if (line.calls)
    return line.evidence == LineEvidence::candidate ? "may be filled from " : "filled from ";
  if (index > 0 && row.lines[index - 1].calls)
    return "in ";
  if (line.evidence != LineEvidence::candidate)
    return "filled at ";
  return index == 0 ? "may be filled at " : "or at ";
}

std::string_view proof(const HeldReport& row, const HeldLine& line) {
  switch (line.evidence) {
  case LineEvidence::stack:
    return "   (proven by a sampled stack)";
  case LineEvidence::hot:
    if (row.pattern == HeldPattern::cycles && !line.calls)
      return "   (this variable closes the cycle)";
    return line.calls ? "   (the only executed call of that name)"
                      : "   (the only executed line that stores into it)";
  case LineEvidence::candidate:
    return "";
  }
  return "";
}

} // namespace

std::string describe_container(const HeldReport& row) {
  const std::string where =
      row.processes > 1 ? fmt::format(" in {} processes", format_count(row.processes)) : "";
  if (row.containers == 0)
    return fmt::format("{}: {} objects of {} ({}){}", row.path, format_count(row.entries), row.type,
                       entry_rate(row.entries_per_minute.value_or(0)), where);
  std::string text = fmt::format("{}: {}", row.path, row.type);
  if (row.containers > 1)
    text += fmt::format(" ×{}", format_count(row.containers));
  text += fmt::format(", {} {}", format_count(row.entries),
                      row.type == "bytearray" || row.type == "_io.BytesIO" ? "bytes" : "entries");
  if (row.entries_per_minute)
    text += fmt::format(" ({})", entry_rate(*row.entries_per_minute));
  text += where;
  if (!row.contents.empty())
    text += ", of " + row.contents;
  return text;
}

HeldText describe_held(const HeldReport& row) {
  HeldText text;
  text.row = describe_container(row);
  for (std::size_t i = 0; i < row.lines.size(); i++)
    text.lines.push_back(lead(row, i) + line_text(row.lines[i]) +
                         std::string(proof(row, row.lines[i])));
  if (row.lines.empty() && !row.no_line.empty())
    text.lines.push_back("no line: " + row.no_line);
  if (!row.note.empty())
    text.lines.push_back(row.note);
  if (!row.fix.empty())
    text.lines.push_back("fix: " + row.fix);
  if (!row.also.empty())
    text.lines.push_back(fmt::format("also growing with it: {}", fmt::join(row.also, ", ")));
  return text;
}

} // namespace leakbpf
