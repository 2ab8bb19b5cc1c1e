// SPDX-License-Identifier: Apache-2.0
// The patterns of LeakSanitizer's suppressions: what they match.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace leakbpf {

/// Matches a text that has the pattern somewhere in it. `*` stands for any characters, a `^` at the
/// beginning and a `$` at the end for the text's own; elsewhere these two are characters like any
/// other. Case counts. No pattern matches the empty text: that is a name that is not known.
class FramePattern {
public:
  /// Nothing when `text` has no characters to look for.
  [[nodiscard]] static std::optional<FramePattern> parse(std::string_view text);
  [[nodiscard]] bool matches(std::string_view text) const;

private:
  std::vector<std::string> pieces_; ///< what stands between the stars, none of them empty
  bool from_start_ = false;
  bool to_end_ = false;
};

} // namespace leakbpf
