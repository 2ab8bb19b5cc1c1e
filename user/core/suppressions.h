// SPDX-License-Identifier: Apache-2.0
// Which stacks are known and not to be shown, in LeakSanitizer's syntax.
#pragma once

#include "core/frame.h"
#include "core/frame_pattern.h"

#include <leakbpf/result.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace leakbpf {

/// One rule. It hides a stack when it matches one of its frames.
struct Suppression {
  std::string name; ///< the pattern as it was written; "built-in: ..."
  FramePattern pattern;
  /// Of a built-in rule only: beginnings of the names of the native modules that it is about. Any
  /// other rule is matched against function, source file and module of frames of every kind.
  std::vector<std::string_view> modules;
  bool outermost = false; ///< built-in: about the last frame of a stack, by its module alone

  [[nodiscard]] bool is_builtin() const { return !modules.empty(); }
};

class Suppressions {
public:
  /// Reads lines `leak:PATTERN`; blank lines, `#` comments and the other sanitizers' suppressions
  /// are passed over. Any other line is an error of ExitCode::usage that says where in `name`.
  [[nodiscard]] static Result<Suppressions> parse(std::string_view text, const std::string& name);
  /// The same for a file, of at most 4 MiB; ExitCode::io when it cannot be read.
  [[nodiscard]] static Result<Suppressions> load(const std::string& path);
  /// What the C and C++ libraries and the loader allocate once and keep, whatever program it is.
  [[nodiscard]] static Suppressions builtin();

  void add(Suppressions more);
  [[nodiscard]] const std::vector<Suppression>& rules() const { return rules_; }
  /// See SuppressionMatcher, which is quicker for many stacks.
  [[nodiscard]] const Suppression* match(const Frames& frames) const;

private:
  std::vector<Suppression> rules_;
};

/// Looks at every frame once, however many stacks share it. `suppressions` must outlive it and must
/// not change; so must the frames that it is given.
class SuppressionMatcher {
public:
  explicit SuppressionMatcher(const Suppressions& suppressions) : suppressions_(suppressions) {}

  /// The rule that hides the stack; nothing when it is to be shown. The user's rules go before the
  /// built-in ones, inner frames before outer ones, then earlier rules before later ones.
  [[nodiscard]] const Suppression* match(const Frames& frames);

private:
  struct Verdict {
    const Suppression* user = nullptr;
    const Suppression* builtin = nullptr;
  };
  [[nodiscard]] Verdict judge(const Frame& frame) const;
  [[nodiscard]] const Suppression* judge_outermost(const Frame& frame) const;

  const Suppressions& suppressions_;
  std::unordered_map<const Frame*, Verdict> verdicts_; ///< by FrameRef::id()
};

} // namespace leakbpf
