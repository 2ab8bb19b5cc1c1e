// SPDX-License-Identifier: Apache-2.0
#include "unwind/rule_set.h"

#include <cstring>
#include <limits>

namespace leakbpf {

namespace {

constexpr std::int64_t word = 8;

template <class T> bool fits(std::int64_t value) {
  return value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max();
}

RuleOrReason because(Unsupported reason) {
  return {plain_rule(LEAKBPF_CFA_UNSUPPORTED), reason};
}

std::optional<Unsupported> set_cfa(leakbpf_unwind_rule& rule, leakbpf_cfa kind, std::uint64_t base,
                                   std::int64_t offset, std::int64_t add) {
  if (base >= LEAKBPF_REGISTER_COUNT)
    return Unsupported::cfa_undefined;
  if (!fits<__s32>(offset) || !fits<__s16>(add))
    return Unsupported::cfa_offset;
  rule.cfa = static_cast<__u8>(kind);
  rule.cfa_register = static_cast<__u8>(base);
  rule.cfa_offset = static_cast<__s32>(offset);
  rule.cfa_add = static_cast<__s16>(add);
  return std::nullopt;
}

std::optional<Unsupported> set_cfa(leakbpf_unwind_rule& rule, const CfaRule& cfa) {
  const ExpressionValue& value = cfa.value;
  switch (cfa.kind) {
  case CfaRule::Kind::undefined:
    return Unsupported::cfa_undefined;
  case CfaRule::Kind::register_offset:
    return set_cfa(rule, LEAKBPF_CFA_REGISTER, cfa.base, cfa.offset, 0);
  case CfaRule::Kind::expression:
    break;
  }
  switch (value.kind) {
  case ExpressionValue::Kind::register_offset:
    return set_cfa(rule, LEAKBPF_CFA_REGISTER, value.base, value.offset, 0);
  case ExpressionValue::Kind::register_memory:
    return set_cfa(rule, LEAKBPF_CFA_MEMORY, value.base, value.offset, value.add);
  case ExpressionValue::Kind::procedure_linkage:
    return set_cfa(rule, LEAKBPF_CFA_PLT, value.base, value.offset, value.add);
  default:
    return Unsupported::cfa_expression;
  }
}

std::optional<Unsupported> set_return_address(leakbpf_unwind_rule& rule,
                                              const RegisterRule& place) {
  rule.return_register = LEAKBPF_RETURN_IN_MEMORY;
  switch (place.kind) {
  case RegisterRule::Kind::unspecified:
    return std::nullopt;
  case RegisterRule::Kind::at_cfa:
    return place.offset == -word ? std::nullopt : std::optional(Unsupported::return_address_place);
  case RegisterRule::Kind::in_register:
    if (place.base >= LEAKBPF_REGISTER_COUNT)
      return Unsupported::return_address_place;
    rule.return_register = static_cast<__u8>(place.base);
    return std::nullopt;
  case RegisterRule::Kind::at_value:
  case RegisterRule::Kind::computed:
    return Unsupported::return_address_expression;
  default:
    return Unsupported::return_address_place;
  }
}

void save_frame_pointer(leakbpf_unwind_rule& rule, int kind, std::int64_t offset) {
  if (!fits<__s32>(offset))
    return;
  rule.saved_fp = static_cast<__u8>(kind);
  rule.fp_offset = static_cast<__s32>(offset);
}

void set_frame_pointer(leakbpf_unwind_rule& rule, const RegisterRule& place) {
  rule.saved_fp = LEAKBPF_SAVED_FP_UNKNOWN;
  switch (place.kind) {
  case RegisterRule::Kind::unspecified:
  case RegisterRule::Kind::same:
    rule.saved_fp = LEAKBPF_SAVED_FP_SAME;
    break;
  case RegisterRule::Kind::at_cfa:
    save_frame_pointer(rule, LEAKBPF_SAVED_FP_CFA, place.offset);
    break;
  case RegisterRule::Kind::in_register:
    if (place.base == LEAKBPF_REGISTER_FP)
      rule.saved_fp = LEAKBPF_SAVED_FP_SAME;
    else if (place.base < LEAKBPF_REGISTER_COUNT)
      rule.saved_fp = static_cast<__u8>(LEAKBPF_SAVED_FP_MOVED + place.base);
    break;
  case RegisterRule::Kind::at_value:
    if (place.value.kind != ExpressionValue::Kind::register_offset)
      break;
    save_frame_pointer(rule,
                       place.value.base == ExpressionValue::cfa
                           ? LEAKBPF_SAVED_FP_CFA
                           : LEAKBPF_SAVED_FP_REGISTER + place.value.base,
                       place.value.offset);
    break;
  default:
    break;
  }
}

bool same(const leakbpf_unwind_rule& a, const leakbpf_unwind_rule& b) {
  return std::memcmp(&a, &b, sizeof a) == 0; // the record has no padding
}

} // namespace

leakbpf_unwind_rule plain_rule(leakbpf_cfa kind) {
  leakbpf_unwind_rule rule{};
  rule.cfa = static_cast<__u8>(kind);
  return rule;
}

RuleOrReason make_rule(const CfiState& state) {
  // With this, no other column matters.
  if (state.return_address.kind == RegisterRule::Kind::undefined)
    return {plain_rule(LEAKBPF_CFA_END), std::nullopt};
  RuleOrReason made;
  if (const auto reason = set_cfa(made.rule, state.cfa))
    return because(*reason);
  if (const auto reason = set_return_address(made.rule, state.return_address))
    return because(*reason);
  set_frame_pointer(made.rule, state.frame_pointer);
  return made;
}

RuleSet::RuleSet() {
  constexpr std::size_t few = 1024;
  slots_.resize(few);
  add(plain_rule(LEAKBPF_CFA_NONE));
}

std::optional<std::uint16_t> RuleSet::number_of(const leakbpf_unwind_rule& rule) {
  if (const std::uint32_t found = slots_[slot_of(rule)]; found != 0)
    return static_cast<std::uint16_t>(found - 1);
  // The last number is kept for `unsupported`.
  if (rules_.size() >= std::numeric_limits<std::uint16_t>::max())
    return std::nullopt;
  return add(rule);
}

std::uint16_t RuleSet::unsupported() {
  const leakbpf_unwind_rule rule = plain_rule(LEAKBPF_CFA_UNSUPPORTED);
  const std::uint32_t found = slots_[slot_of(rule)];
  return found != 0 ? static_cast<std::uint16_t>(found - 1) : add(rule);
}

std::size_t RuleSet::slot_of(const leakbpf_unwind_rule& rule) const {
  std::uint64_t halves[2];
  static_assert(sizeof halves == sizeof rule);
  std::memcpy(halves, &rule, sizeof rule);
  constexpr std::uint64_t odd = 0x9e37'79b9'7f4a'7c15; // 2^64 / the golden ratio
  std::uint64_t hash = (halves[0] * odd) ^ (halves[0] >> 32);
  hash = (hash + halves[1]) * odd;
  std::size_t slot = (hash >> 32) & (slots_.size() - 1);
  while (slots_[slot] != 0 && !same(rules_[slots_[slot] - 1], rule))
    slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

std::uint16_t RuleSet::add(const leakbpf_unwind_rule& rule) {
  if (rules_.size() * 2 >= slots_.size())
    grow();
  slots_[slot_of(rule)] = static_cast<std::uint32_t>(rules_.size() + 1);
  rules_.push_back(rule);
  return static_cast<std::uint16_t>(rules_.size() - 1);
}

void RuleSet::grow() {
  slots_.assign(slots_.size() * 2, 0);
  for (std::size_t number = 0; number < rules_.size(); ++number)
    slots_[slot_of(rules_[number])] = static_cast<std::uint32_t>(number + 1);
}

} // namespace leakbpf
