// SPDX-License-Identifier: Apache-2.0
#include "plan/instruction.h"
#include "plan/probe_point.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace leakbpf {
namespace {

// A function's prologue is over long before this. Farther places gain nothing and risk more.
constexpr std::size_t kMaxOffset = 64;

std::string_view why_line_ends(Flow flow) {
  switch (flow) {
  case Flow::branch:
    return "the first branch";
  case Flow::leave:
    return "the function is left";
  case Flow::call:
    return "the first call";
  case Flow::system_call:
    return "the system call";
  case Flow::next:
    break;
  }
  return {};
}

// A walk along the straight line from the entry. It stands on one instruction boundary at a time
// and stops at the first where a probe would miss calls, count one twice, or see too little.
class StraightLine {
public:
  StraightLine(const InstructionDecoder& decoder, std::span<const std::uint8_t> code,
               const ProbeNeed& need)
      : decoder_(decoder), code_(code), need_(need),
        lowest_target_(decoder.lowest_branch_target(code)) {
    arrive();
  }

  [[nodiscard]] bool ended() const { return !end_.empty(); }
  /// What the line ended at, to follow the word "before".
  [[nodiscard]] std::string_view end() const { return end_; }
  [[nodiscard]] std::size_t offset() const { return offset_; }
  [[nodiscard]] const Instruction& instruction() const { return here_; }

  /// The jump by which only calls with a null first argument leave, where those may be skipped.
  [[nodiscard]] bool at_null_check() const {
    return need_.null_first_argument_may_skip && zero_flag_means_null_ && here_.jumps_if_zero;
  }

  void step() {
    if (here_.flow != Flow::next && !at_null_check()) {
      end_ = why_line_ends(here_.flow);
      return;
    }
    if (here_.tests_first_argument) {
      zero_flag_means_null_ = (overwritten_ & 1U) == 0;
    } else if (here_.writes_zero_flag) {
      zero_flag_means_null_ = false;
    }
    overwritten_ |= here_.writes_arguments;
    return_address_lost_ |= here_.loses_return_address;
    offset_ += here_.length;
    arrive();
  }

private:
  void arrive() {
    end_ = obstacle();
    if (ended()) {
      return;
    }
    const std::optional<Instruction> decoded = decoder_.decode(code_.subspan(offset_));
    if (!decoded) {
      end_ = "bytes that do not decode";
      return;
    }
    here_ = *decoded;
  }

  [[nodiscard]] std::string_view obstacle() const {
    if (offset_ >= code_.size()) {
      return "the code ends";
    }
    if ((overwritten_ & need_.arguments) != 0) {
      return "the arguments are overwritten";
    }
    if (need_.needs_return_address && return_address_lost_) {
      return "the stack pointer moves";
    }
    // Control comes here a second time in one call, or past everything before: a place at or
    // after a branch target is not hit exactly once. Offset 0 is no obstacle: a jump back to
    // the entry passes entry and probe equally often.
    if (offset_ >= lowest_target_) {
      return "a branch target";
    }
    if (offset_ > kMaxOffset) {
      return "the prologue's length";
    }
    return {};
  }

  const InstructionDecoder& decoder_;
  std::span<const std::uint8_t> code_;
  const ProbeNeed& need_;
  std::size_t lowest_target_;
  std::size_t offset_ = 0;
  Instruction here_;
  std::string_view end_;
  unsigned overwritten_ = 0;
  bool return_address_lost_ = false;
  bool zero_flag_means_null_ = false;
};

std::string entry_unfit_reason(Unfit unfit) {
  return unfit == Unfit::rewritten_nop ? "not on a nop that the kernel rewrites"
                                       : "the kernel refuses a probe on the entry";
}

// Follows the line to the first emulated instruction. A null check is one too, but a place after
// it spares the trap for each null argument, so it is kept only in case nothing better comes.
ProbePoint choose(StraightLine& line) {
  const auto place = [](std::size_t offset, ProbeCost cost, std::string reason) {
    return ProbePoint{static_cast<std::uint32_t>(offset), {}, cost, std::move(reason)};
  };
  std::optional<ProbePoint> null_check;
  std::optional<std::size_t> stepped;
  const Unfit entry_unfit = line.instruction().unfit;
  for (; !line.ended(); line.step()) {
    const Instruction& insn = line.instruction();
    if (insn.emulated && !line.at_null_check()) {
      const std::string_view reason = line.offset() == 0 ? "the entry is emulated"
                                      : null_check       ? "first emulated after the null check"
                                                         : "first emulated instruction";
      return place(line.offset(), ProbeCost::emulated, std::string(reason));
    }
    if (insn.emulated && !null_check) {
      null_check = place(line.offset(), ProbeCost::emulated, "the null check is emulated");
    }
    if (!stepped && insn.unfit == Unfit::no) {
      stepped = line.offset();
    }
  }
  if (null_check) {
    return *null_check;
  }
  if (stepped.value_or(0) != 0) {
    return place(*stepped, ProbeCost::single_stepped, entry_unfit_reason(entry_unfit));
  }
  return place(0, ProbeCost::single_stepped,
               "no emulated instruction before " + std::string(line.end()));
}

} // namespace

ProbePoint plan_probe_point(std::span<const std::uint8_t> code, std::uint64_t address,
                            const ProbeNeed& need) {
  if (code.empty()) {
    return {0, {}, ProbeCost::single_stepped, "no code"};
  }
  const InstructionDecoder decoder;
  StraightLine line(decoder, code, need);
  ProbePoint point = choose(line);
  point.instruction = decoder.text(code.subspan(point.offset), address + point.offset);
  return point;
}

} // namespace leakbpf
