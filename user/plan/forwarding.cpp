// SPDX-License-Identifier: Apache-2.0
#include "plan/forwarding.h"

#include "plan/instruction.h"

#include <set>
#include <tuple>
#include <vector>

namespace leakbpf {
namespace {

// A function that only forwards is short. What is longer does something of its own.
constexpr std::size_t most_instructions = 400;

/// Where a path through the code stands, and what is known there.
struct Place {
  std::size_t offset = 0;
  bool first_argument_kept = true;
  bool zero_flag_means_null = false;
  bool after_call = false; ///< which may not return
  friend bool operator<(const Place& a, const Place& b) { return a.key() < b.key(); }

private:
  [[nodiscard]] std::tuple<std::size_t, bool, bool, bool> key() const {
    return {offset, first_argument_kept, zero_flag_means_null, after_call};
  }
};

/// All paths from the entry, each followed up to where it goes to what is wanted.
class Paths {
public:
  Paths(std::span<const std::uint8_t> code, const CodeTarget& wanted, const ForwardingNeed& need)
      : code_(code), wanted_(wanted), need_(need) {}

  bool all_lead_there() {
    std::vector<Place> open{Place{}};
    while (!open.empty()) {
      const Place here = open.back();
      open.pop_back();
      if (!seen_.insert(here).second)
        continue;
      if (seen_.size() > most_instructions || !follow(here, open))
        return false;
    }
    return arrived_;
  }

private:
  /// Adds the places that come next. False when the path leaves without what is wanted.
  bool follow(const Place& here, std::vector<Place>& open) {
    if (here.offset >= code_.size())
      return here.after_call; // by a function that does not return
    const auto insn = decoder_.decode(code_.subspan(here.offset));
    if (!insn)
      return false;
    const bool direct = insn->target.has_value();
    const std::int64_t target = static_cast<std::int64_t>(here.offset) + insn->target.value_or(0);
    const bool there = direct && wanted_(target);
    if (there && (here.first_argument_kept || !need_.same_first_argument)) {
      arrived_ = true;
      if (insn->flow != Flow::branch)
        return true;
    } else if (there) {
      return false;
    }
    Place next = here;
    next.offset += insn->length;
    next.after_call = insn->flow == Flow::call;
    next.first_argument_kept &= insn->flow != Flow::call && (insn->writes_arguments & 1U) == 0;
    if (insn->tests_first_argument)
      next.zero_flag_means_null = here.first_argument_kept;
    else if (insn->writes_zero_flag || insn->flow == Flow::call)
      next.zero_flag_means_null = false;
    switch (insn->flow) {
    case Flow::leave:
      return insn->traps || (direct && jump(next, target, open));
    case Flow::branch:
      if (!there && !(need_.null_may_return && here.zero_flag_means_null && insn->jumps_if_zero) &&
          !(direct && jump(next, target, open)))
        return false;
      break;
    default:
      break;
    }
    open.push_back(next);
    return true;
  }

  bool jump(Place from, std::int64_t target, std::vector<Place>& open) const {
    if (target < 0 || target >= static_cast<std::int64_t>(code_.size()))
      return false;
    from.offset = static_cast<std::size_t>(target);
    from.after_call = false;
    open.push_back(from);
    return true;
  }

  InstructionDecoder decoder_;
  std::span<const std::uint8_t> code_;
  const CodeTarget& wanted_;
  const ForwardingNeed& need_;
  std::set<Place> seen_;
  bool arrived_ = false;
};

} // namespace

bool is_jump_to(std::span<const std::uint8_t> code, const CodeTarget& wanted) {
  const InstructionDecoder decoder;
  std::size_t offset = 0;
  auto insn = decoder.decode(code);
  constexpr std::uint32_t endbr64_length = 4;
  if (insn && insn->flow == Flow::next && insn->length == endbr64_length && code[0] == 0xf3 &&
      code[1] == 0x0f && code[2] == 0x1e && code[3] == 0xfa) {
    offset = endbr64_length;
    insn = decoder.decode(code.subspan(offset));
  }
  return insn && insn->flow == Flow::leave && insn->target &&
         wanted(static_cast<std::int64_t>(offset) + *insn->target);
}

bool always_goes_to(std::span<const std::uint8_t> code, const CodeTarget& wanted,
                    const ForwardingNeed& need) {
  return Paths(code, wanted, need).all_lead_there();
}

} // namespace leakbpf
