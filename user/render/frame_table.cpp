// SPDX-License-Identifier: Apache-2.0
#include "render/frame_table.h"

#include "core/culprit.h"

#include <bit>

namespace leakbpf {

std::size_t NumbersHash::operator()(const std::vector<std::uint32_t>& numbers) const noexcept {
  constexpr std::size_t multiplier = 0x9e3779b97f4a7c15; // 2^64 divided by the golden ratio
  std::size_t hash = numbers.size();
  for (const std::uint32_t number : numbers)
    hash = std::rotl(hash ^ number, 29) * multiplier;
  return hash;
}

std::uint32_t FrameTable::number(const FrameRef& frame) {
  const auto next = static_cast<std::uint32_t>(frames_.size());
  const auto [known, is_new] = by_identity_.try_emplace(frame.id(), Known{frame, next});
  if (!is_new)
    return known->second.number;
  const auto [equal, is_distinct] = by_content_.try_emplace(frame, next);
  if (is_distinct)
    frames_.push_back(frame.id());
  known->second.number = equal->second;
  return equal->second;
}

std::string frame_label(const Frame& frame) {
  if (frame.kind == FrameKind::note)
    return describe_frame(frame);
  if (!frame.function.empty())
    return frame.kind == FrameKind::python ? frame.function : short_function(frame.function);
  // An address outside all files says nothing, and is another one in every run.
  return frame.kind != FrameKind::python && frame.module.empty() ? "[unknown]"
                                                                 : describe_frame(frame);
}

} // namespace leakbpf
