// SPDX-License-Identifier: Apache-2.0
#include "plan/code_extent.h"

#include "plan/instruction.h"

#include <algorithm>
#include <map>

namespace leakbpf {

namespace {

// Instructions. What is longer is taken to end there.
constexpr std::size_t most_places = 4096;

} // namespace

std::vector<CodeRange> reached_code(std::span<const std::uint8_t> code) {
  const InstructionDecoder decoder;
  std::map<std::size_t, std::size_t> ends; // of instructions, by their begins
  std::vector<std::size_t> open{0};
  while (!open.empty() && ends.size() < most_places) {
    const std::size_t at = open.back();
    open.pop_back();
    if (at >= code.size() || ends.contains(at))
      continue;
    const auto instruction = decoder.decode(code.subspan(at));
    if (!instruction || instruction->length == 0)
      continue;
    ends.emplace(at, at + instruction->length);
    if (instruction->flow != Flow::leave)
      open.push_back(at + instruction->length);
    const bool goes_there = instruction->flow == Flow::leave || instruction->flow == Flow::branch;
    if (!goes_there || !instruction->target)
      continue;
    const std::int64_t target = static_cast<std::int64_t>(at) + *instruction->target;
    if (target >= 0)
      open.push_back(static_cast<std::size_t>(target));
  }
  std::vector<CodeRange> ranges;
  for (const auto& [begin, end] : ends)
    if (!ranges.empty() && begin <= ranges.back().end)
      ranges.back().end = std::max<std::uint64_t>(ranges.back().end, end);
    else
      ranges.push_back({begin, end});
  return ranges;
}

} // namespace leakbpf
