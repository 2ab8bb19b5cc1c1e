// SPDX-License-Identifier: Apache-2.0
#include "core/frame_pattern.h"

#include <algorithm>

namespace leakbpf {

std::optional<FramePattern> FramePattern::parse(std::string_view text) {
  FramePattern pattern;
  if (text.starts_with('^')) {
    pattern.from_start_ = true;
    text.remove_prefix(1);
  }
  if (text.ends_with('$')) {
    pattern.to_end_ = true;
    text.remove_suffix(1);
  }
  if (text.empty())
    return std::nullopt;
  // A star beside an anchor takes its meaning away.
  pattern.from_start_ = pattern.from_start_ && !text.starts_with('*');
  pattern.to_end_ = pattern.to_end_ && !text.ends_with('*');
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, text.find('*'));
    if (!piece.empty())
      pattern.pieces_.emplace_back(piece);
    text.remove_prefix(std::min(piece.size() + 1, text.size()));
  }
  return pattern;
}

bool FramePattern::matches(std::string_view text) const {
  if (text.empty())
    return false;
  auto piece = pieces_.begin();
  auto end = pieces_.end();
  if (from_start_) {
    if (!text.starts_with(*piece))
      return false;
    text.remove_prefix(piece->size());
    ++piece;
  }
  if (to_end_) {
    if (piece == end) // the one piece is to be the whole text
      return text.empty();
    --end;
    if (!text.ends_with(*end))
      return false;
    text.remove_suffix(end->size());
  }
  for (; piece != end; ++piece) {
    const std::size_t at = text.find(*piece);
    if (at == std::string_view::npos)
      return false;
    text.remove_prefix(at + piece->size());
  }
  return true;
}

} // namespace leakbpf
