// SPDX-License-Identifier: Apache-2.0
#include "core/regex_search.h"

#include <algorithm>

namespace leakbpf {

bool has_match(const std::string& text, const std::regex& pattern) {
  // Each piece has the second half of the one before.
  constexpr std::size_t piece = 4096;
  for (std::size_t at = 0;; at += piece / 2) {
    const std::size_t end = std::min(at + piece, text.size());
    auto flags = std::regex_constants::match_default;
    if (at > 0)
      flags |= std::regex_constants::match_prev_avail;
    if (end < text.size())
      flags |= std::regex_constants::match_not_eol | std::regex_constants::match_not_eow;
    const auto begin = text.begin();
    if (std::regex_search(begin + static_cast<std::ptrdiff_t>(at),
                          begin + static_cast<std::ptrdiff_t>(end), pattern, flags))
      return true;
    if (end == text.size())
      return false;
  }
}

} // namespace leakbpf
