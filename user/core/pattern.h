// SPDX-License-Identifier: Apache-2.0
// A regular expression that a user gave, for texts that anybody may have written: it is matched in
// a time that grows no faster than the text, with bounded memory.
#pragma once

#include <leakbpf/result.h>

#include <memory>
#include <string>
#include <string_view>

namespace leakbpf {

class Pattern {
public:
  /// RE2's syntax. Fails with ExitCode::usage, with a message such as "( is not a regular
  /// expression: missing )", also for a pattern that would take too much memory.
  [[nodiscard]] static Result<Pattern> compile(const std::string& text);

  Pattern(Pattern&& other) noexcept;
  Pattern& operator=(Pattern&& other) noexcept;
  ~Pattern();

  /// It is somewhere in `text`. Text that is not UTF-8 is also tried byte by byte, each a
  /// character, so that no byte can keep a pattern from matching what lies around it.
  [[nodiscard]] bool is_in(std::string_view text) const;

private:
  struct Compiled;
  explicit Pattern(std::unique_ptr<Compiled> compiled);

  std::unique_ptr<Compiled> compiled_;
};

} // namespace leakbpf
