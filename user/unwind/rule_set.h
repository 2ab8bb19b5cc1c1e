// SPDX-License-Identifier: Apache-2.0
// The different unwind rules of one file, each under a 16-bit number.
#pragma once

#include "unwind/cfi_program.h"
#include "unwind/unwind_table.h"

#include <leakbpf/unwind_abi.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace leakbpf {

struct RuleOrReason {
  leakbpf_unwind_rule rule{}; ///< fields that its kind does not use are 0
  std::optional<Unsupported> unsupported;
};

/// The rule that says what `state` says, or the one of LEAKBPF_CFA_UNSUPPORTED and why.
[[nodiscard]] RuleOrReason make_rule(const CfiState& state);

/// A rule that needs no more than its kind.
[[nodiscard]] leakbpf_unwind_rule plain_rule(leakbpf_cfa kind);

/// Hands out consecutive numbers: 0 is the rule of LEAKBPF_CFA_NONE.
class RuleSet {
public:
  RuleSet();

  /// Nothing once the numbers are used up.
  [[nodiscard]] std::optional<std::uint16_t> number_of(const leakbpf_unwind_rule& rule);
  /// The number of LEAKBPF_CFA_UNSUPPORTED. There always is one.
  [[nodiscard]] std::uint16_t unsupported();

  [[nodiscard]] std::vector<leakbpf_unwind_rule> take() { return std::move(rules_); }

private:
  /// The slot that holds the rule, or the free one where it belongs.
  [[nodiscard]] std::size_t slot_of(const leakbpf_unwind_rule& rule) const;
  std::uint16_t add(const leakbpf_unwind_rule& rule);
  void grow();

  std::vector<leakbpf_unwind_rule> rules_;
  std::vector<std::uint32_t> slots_; ///< open addressing: number + 1, or 0 where free
};

} // namespace leakbpf
