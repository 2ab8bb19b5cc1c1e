// SPDX-License-Identifier: Apache-2.0
#include "core/suppressions.h"

#include "core/culprit.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr std::size_t max_file_bytes = 4 << 20;

// Suppression types of clang's other sanitizers (thread, address, real time, undefined behaviour):
// people keep one file for all.
constexpr std::array<std::string_view, 49> other_types{
    "race",
    "race_top",
    "mutex",
    "thread",
    "signal",
    "called_from_lib",
    "deadlock",
    "interceptor_name",
    "interceptor_via_fun",
    "interceptor_via_lib",
    "odr_violation",
    "alloc_dealloc_mismatch",
    "call-stack-contains",
    "function-name-matches",
    "vptr_check",
    "undefined",
    "integer",
    "null",
    "nullability-arg",
    "nullability-assign",
    "nullability-return",
    "pointer-overflow",
    "alignment",
    "object-size",
    "signed-integer-overflow",
    "unsigned-integer-overflow",
    "integer-divide-by-zero",
    "float-divide-by-zero",
    "fixed-point-divide-by-zero",
    "invalid-builtin-use",
    "invalid-objc-cast",
    "implicit-unsigned-integer-truncation",
    "implicit-signed-integer-truncation",
    "implicit-integer-sign-change",
    "implicit-bitfield-conversion",
    "shift-base",
    "shift-exponent",
    "bounds",
    "local-bounds",
    "unreachable",
    "return",
    "vla-bound",
    "float-cast-overflow",
    "bool",
    "enum",
    "function",
    "returns-nonnull-attribute",
    "nonnull-attribute",
    "vptr",
};

std::string_view strip(std::string_view line) {
  constexpr std::string_view blanks = " \t\r";
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
  return line.substr(0, line.find_last_not_of(blanks) + 1);
}

bool names_module(const Suppression& rule, const Frame& frame) {
  const std::string_view module = base_name(frame.module);
  return frame.kind == FrameKind::native &&
         std::any_of(rule.modules.begin(), rule.modules.end(),
                     [&](std::string_view beginning) { return module.starts_with(beginning); });
}

bool matches_builtin(const Suppression& rule, const Frame& frame) {
  return !rule.outermost && names_module(rule, frame) && rule.pattern.matches(frame.function);
}

bool matches_user(const Suppression& rule, const Frame& frame) {
  return rule.pattern.matches(frame.function) || rule.pattern.matches(frame.file) ||
         rule.pattern.matches(frame.module);
}

} // namespace

Result<Suppressions> Suppressions::parse(std::string_view text, const std::string& name) {
  Suppressions suppressions;
  const auto error = [&](std::size_t number, std::string_view what) {
    return Error{ExitCode::usage, fmt::format("line {} of {} {}", number, name, what),
                 "a line is leak:PATTERN, as for LeakSanitizer, or blank, or a # comment"};
  };
  for (std::size_t number = 1; !text.empty(); number++) {
    const std::string_view whole = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(whole.size() + 1, text.size()));
    const std::string_view line = strip(whole);
    if (line.empty() || line.front() == '#')
      continue;
    const std::size_t colon = line.find(':');
    const std::string_view type = line.substr(0, colon);
    if (colon != std::string_view::npos && type == "leak") {
      const std::string_view written = line.substr(colon + 1);
      auto pattern = FramePattern::parse(written);
      if (!pattern)
        return error(number, "has a suppression without a pattern");
      suppressions.rules_.push_back({std::string(written), std::move(*pattern), {}, false});
    } else if (colon == std::string_view::npos ||
               std::find(other_types.begin(), other_types.end(), type) == other_types.end()) {
      return error(number, "is not a suppression");
    }
  }
  return suppressions;
}

Result<Suppressions> Suppressions::load(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string text(max_file_bytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in.is_open() || in.bad())
    return Error{ExitCode::io,
                 fmt::format("cannot read {}: {}", path, std::strerror(errno != 0 ? errno : EIO)),
                 ""};
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > max_file_bytes)
    return Error{ExitCode::io, fmt::format("{} is too large for a suppressions file", path),
                 "the limit is 4 MiB"};
  return parse(text, path);
}

void Suppressions::add(Suppressions more) {
  std::move(more.rules_.begin(), more.rules_.end(), std::back_inserter(rules_));
}

const Suppression* Suppressions::match(const Frames& frames) const {
  return SuppressionMatcher(*this).match(frames);
}

SuppressionMatcher::Verdict SuppressionMatcher::judge(const Frame& frame) const {
  Verdict verdict;
  if (frame.kind == FrameKind::note) // leakbpf's own words
    return verdict;
  for (const Suppression& rule : suppressions_.rules()) {
    const Suppression*& slot = rule.is_builtin() ? verdict.builtin : verdict.user;
    if (!slot && (rule.is_builtin() ? matches_builtin(rule, frame) : matches_user(rule, frame)))
      slot = &rule;
  }
  return verdict;
}

const Suppression* SuppressionMatcher::judge_outermost(const Frame& frame) const {
  for (const Suppression& rule : suppressions_.rules())
    if (rule.outermost && names_module(rule, frame))
      return &rule;
  return nullptr;
}

const Suppression* SuppressionMatcher::match(const Frames& frames) {
  const Suppression* builtin = nullptr;
  for (const FrameRef& frame : frames) {
    const auto [found, is_new] = verdicts_.try_emplace(frame.id());
    if (is_new)
      found->second = judge(*frame);
    if (found->second.user)
      return found->second.user;
    if (!builtin)
      builtin = found->second.builtin;
  }
  return builtin || frames.empty() ? builtin : judge_outermost(*frames.back());
}

} // namespace leakbpf
