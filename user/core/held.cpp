// SPDX-License-Identifier: Apache-2.0
#include "core/held.h"

#include "core/names.h"

#include <array>
#include <utility>

namespace leakbpf {

namespace {

constexpr std::array<std::string_view, 7> patterns{
    "unbounded_cache", "unbounded_list", "listeners", "connections", "cycles", "tasks", "threads"};
constexpr std::array<std::string_view, 3> evidences{"stack", "hot", "candidate"};

} // namespace

Frame frame_of(const HeldLine& line) {
  Frame frame;
  frame.kind = FrameKind::python;
  frame.function = line.function;
  frame.file = line.file;
  frame.line = line.line;
  return frame;
}

Frames held_frames(const HeldReport& row) {
  Frames frames;
  Frame path;
  path.kind = FrameKind::python; // rules are not asked about notes
  path.function = row.path;
  frames.emplace_back(std::move(path));
  for (const HeldLine& line : row.lines)
    frames.emplace_back(frame_of(line));
  return frames;
}

namespace {

Frame note(std::string text) {
  Frame frame;
  frame.kind = FrameKind::note;
  frame.function = std::move(text);
  return frame;
}

} // namespace

Frames held_stack(const HeldReport& row) {
  Frames frames;
  if (!row.lines.empty())
    frames.emplace_back(frame_of(row.lines.front()));
  frames.emplace_back(note(row.path + ": " + row.type));
  frames.emplace_back(note("growing containers: the same memory, by holder"));
  return frames;
}

std::string_view pattern_name(HeldPattern pattern) {
  return patterns.at(static_cast<std::size_t>(pattern));
}

std::optional<HeldPattern> pattern_named(std::string_view name) {
  return value_named<HeldPattern>(patterns, name);
}

std::string_view evidence_name(LineEvidence evidence) {
  return evidences.at(static_cast<std::size_t>(evidence));
}

std::optional<LineEvidence> evidence_named(std::string_view name) {
  return value_named<LineEvidence>(evidences, name);
}

} // namespace leakbpf
