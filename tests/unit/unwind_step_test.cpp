// SPDX-License-Identifier: Apache-2.0
// One step of a walk, by each kind of rule, from memory that is not there at other places.
#include "unwind_fixture.h"

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include <catch2/catch_test_macros.hpp>

namespace {

struct FakeTarget {
  std::map<std::uint64_t, std::uint64_t> memory;
  std::map<std::uint32_t, std::uint64_t> cpu;
  std::map<std::uint64_t, std::uint64_t> returns; ///< what a probe replaced, by slot
};

} // namespace

#define UNWIND_CONTEXT FakeTarget

namespace {

bool unwind_read(FakeTarget* target, __u64 address, __u64* value) {
  const auto found = target->memory.find(address);
  if (found != target->memory.end())
    *value = found->second;
  return found != target->memory.end();
}

bool unwind_cpu_register(FakeTarget* target, __u32 number, __u64* value) {
  const auto found = target->cpu.find(number);
  if (found != target->cpu.end())
    *value = found->second;
  return found != target->cpu.end();
}

__u64 unwind_return_address(FakeTarget* target, __u64 slot, __u64 found) {
  const auto replaced = target->returns.find(slot);
  return replaced == target->returns.end() ? found : replaced->second;
}

} // namespace

#include <leakbpf/unwind_step.h>

using namespace leakbpf::unwind_fixture;

namespace {

constexpr std::uint64_t sp = 0x7000;
constexpr std::uint64_t fp = 0x7100;
constexpr std::uint64_t pc = 0x401234;
constexpr std::uint64_t caller = 0x402345;
constexpr std::uint64_t caller_fp = 0x7654;
constexpr int saved_at = LEAKBPF_SAVED_FP_REGISTER; // + register
constexpr int moved_to = LEAKBPF_SAVED_FP_MOVED;    // + register

leakbpf_frame inner_frame() {
  return {pc, sp, fp, 0, 0, 1};
}

leakbpf_frame outer_frame() {
  return {pc, sp, fp, 0, 1, 0};
}

/// Result of the step, and the frame behind it.
struct Stepped {
  std::uint32_t result = 0;
  leakbpf_frame frame{};

  void check_caller(std::uint64_t cfa, std::uint64_t its_fp) const {
    CHECK(result == LEAKBPF_STACK_GOES_ON);
    CHECK(frame.pc == caller);
    CHECK(frame.sp == cfa);
    CHECK(frame.fp == its_fp);
    CHECK(frame.saved_registers == 0);
    CHECK(frame.pc_is_return == 1);
    CHECK(frame.innermost == 0);
  }
};

Stepped step(FakeTarget target, const leakbpf_unwind_rule& rule,
             const leakbpf_frame& from = outer_frame()) {
  Stepped stepped{0, from};
  stepped.result = unwind_step(&target, &rule, &stepped.frame);
  return stepped;
}

/// Only the return address of a frame with this CFA can be read.
FakeTarget returning_at(std::uint64_t cfa) {
  return {{{cfa - 8, caller}}, {}, {}};
}

/// The rule fails like this whichever of the words is missing.
void check_needs_all(const FakeTarget& target, const leakbpf_unwind_rule& rule,
                     std::uint32_t failure, const leakbpf_frame& from = outer_frame()) {
  REQUIRE(step(target, rule, from).result == LEAKBPF_STACK_GOES_ON);
  for (const auto& word : target.memory) {
    CAPTURE(word.first);
    FakeTarget without = target;
    without.memory.erase(word.first);
    const Stepped stepped = step(without, rule, from);
    CHECK(stepped.result == failure);
    CHECK(stepped.frame.pc == from.pc); // nothing of the caller yet
    CHECK(stepped.frame.sp == from.sp);
    CHECK(stepped.frame.fp == from.fp);
  }
}

constexpr std::uint64_t saved = 0x6000; ///< of a signal frame

leakbpf_frame after_signal() {
  return {pc, sp, fp, saved, 0, 0};
}

/// The list of asm/sigcontext.h, from its beginning.
constexpr std::array<int, 16> signal_order = {8, 9, 10, 11, 12, 13, 14, 15, // r8 to r15
                                              5, 4, 6,                      // di si bp
                                              3, 1, 0,  2,  7};             // bx dx ax cx sp

} // namespace

TEST_CASE("unwind step: CFA by sp or fp", "[unwind]") {
  step(returning_at(sp + 24), at(7, 24)).check_caller(sp + 24, fp);
  step(returning_at(fp + 16), at(6, 16)).check_caller(fp + 16, fp);
  step(returning_at(fp - 64), at(6, -64)).check_caller(fp - 64, fp);
  step(returning_at(sp + 24), at(7, 24), inner_frame()).check_caller(sp + 24, fp);
  step(returning_at(sp + 24), at(7, 24), after_signal()).check_caller(sp + 24, fp);
  check_needs_all(returning_at(sp + 24), at(7, 24), LEAKBPF_STACK_UNREADABLE);
  check_needs_all(returning_at(fp + 16), at(6, 16), LEAKBPF_STACK_UNREADABLE);
}

TEST_CASE("unwind step: CFA by another register, where it is known", "[unwind]") {
  const auto rule = at(10, 8);
  FakeTarget target = returning_at(0x9008);
  CHECK(step(target, rule, inner_frame()).result == LEAKBPF_STACK_LOST_REGISTER);
  target.cpu[10] = 0x9000;
  step(target, rule, inner_frame()).check_caller(0x9008, fp);
  check_needs_all(target, rule, LEAKBPF_STACK_UNREADABLE, inner_frame());
  const Stepped lost = step(target, rule, outer_frame());
  CHECK(lost.result == LEAKBPF_STACK_LOST_REGISTER);
  CHECK(lost.frame.pc == pc);
  // The signal frame's comes before the CPU's.
  target.cpu[10] = 0x1000;
  target.memory[saved + 2 * 8] = 0x9000;
  leakbpf_frame frame = after_signal();
  frame.innermost = 1;
  step(target, rule, frame).check_caller(0x9008, fp);
  step(target, rule, after_signal()).check_caller(0x9008, fp);
  target.memory.erase(saved + 2 * 8);
  CHECK(step(target, rule, after_signal()).result == LEAKBPF_STACK_LOST_REGISTER);
  CHECK(step(target, at(16, 8), inner_frame()).result == LEAKBPF_STACK_LOST_REGISTER);
}

TEST_CASE("unwind step: CFA in memory", "[unwind]") {
  leakbpf_unwind_rule rule = at(7, 32);
  rule.cfa = LEAKBPF_CFA_MEMORY;
  rule.cfa_add = 8;
  FakeTarget target = returning_at(0x9008);
  target.memory[sp + 32] = 0x9000;
  step(target, rule).check_caller(0x9008, fp);
  check_needs_all(target, rule, LEAKBPF_STACK_UNREADABLE);
  rule.cfa_register = LEAKBPF_REGISTER_FP;
  rule.cfa_offset = -8;
  rule.cfa_add = -16;
  target = returning_at(0x8ff0);
  target.memory[fp - 8] = 0x9000;
  step(target, rule).check_caller(0x8ff0, fp);
  rule.cfa_register = LEAKBPF_REGISTER_R8;
  target = returning_at(0x8ff0);
  target.memory[0x5000 - 8] = 0x9000;
  target.cpu[8] = 0x5000;
  step(target, rule, inner_frame()).check_caller(0x8ff0, fp);
  CHECK(step(target, rule, outer_frame()).result == LEAKBPF_STACK_LOST_REGISTER);
}

TEST_CASE("unwind step: the procedure linkage table", "[unwind]") {
  leakbpf_unwind_rule rule = at(7, 8);
  rule.cfa = LEAKBPF_CFA_PLT;
  rule.cfa_add = 11;
  for (const std::uint64_t low : {0U, 6U, 10U, 11U, 15U}) {
    CAPTURE(low);
    leakbpf_frame frame = inner_frame();
    frame.pc = 0x401230 + low;
    const std::uint64_t cfa = low < 11 ? sp + 8 : sp + 16;
    step(returning_at(cfa), rule, frame).check_caller(cfa, fp);
    check_needs_all(returning_at(cfa), rule, LEAKBPF_STACK_UNREADABLE, frame);
  }
}

TEST_CASE("unwind step: the end, and what the rules cannot say", "[unwind]") {
  const FakeTarget target = returning_at(sp + 8);
  for (const auto& [kind, result] :
       {std::pair{LEAKBPF_CFA_END, LEAKBPF_STACK_COMPLETE},
        std::pair{LEAKBPF_CFA_UNSUPPORTED, LEAKBPF_STACK_UNSUPPORTED}}) {
    const Stepped stepped = step(target, only(kind));
    CHECK(stepped.result == result);
    CHECK(stepped.frame.pc == pc);
    CHECK(stepped.frame.sp == sp);
  }
  leakbpf_unwind_rule unknown = at(7, 8);
  unknown.cfa = 200;
  CHECK(step(target, unknown).result == LEAKBPF_STACK_UNSUPPORTED);
}

TEST_CASE("unwind step: the return address in a register", "[unwind]") {
  leakbpf_unwind_rule rule = at(7, 8);
  rule.return_register = 11;
  FakeTarget target;
  target.cpu[11] = caller;
  step(target, rule, inner_frame()).check_caller(sp + 8, fp);
  CHECK(step(target, rule, outer_frame()).result == LEAKBPF_STACK_LOST_REGISTER);
  target.memory[saved + 3 * 8] = caller;
  step(target, rule, after_signal()).check_caller(sp + 8, fp);
  target.memory.clear();
  CHECK(step(target, rule, after_signal()).result == LEAKBPF_STACK_LOST_REGISTER);
  rule.return_register = LEAKBPF_REGISTER_FP;
  leakbpf_frame frame = outer_frame();
  frame.fp = caller;
  step({}, rule, frame).check_caller(sp + 8, caller);
}

TEST_CASE("unwind step: a return address that a probe replaced", "[unwind]") {
  FakeTarget target;
  target.memory[sp] = 0x7fff'ffff'e000;
  target.returns[sp] = caller;
  step(target, at(7, 8)).check_caller(sp + 8, fp);
  target.memory = {{fp, caller_fp}, {fp + 8, 0x7fff'ffff'e000}};
  target.returns = {{fp + 8, caller}};
  step(target, only(LEAKBPF_CFA_NONE)).check_caller(fp + 16, caller_fp);
}

TEST_CASE("unwind step: the caller's frame pointer", "[unwind]") {
  const auto rule = at(7, 32);
  FakeTarget target = returning_at(sp + 32);
  SECTION("saved at the CFA") {
    const auto saved_fp = with_fp(rule, LEAKBPF_SAVED_FP_CFA, -16);
    target.memory[sp + 16] = caller_fp;
    step(target, saved_fp).check_caller(sp + 32, caller_fp);
    check_needs_all(target, saved_fp, LEAKBPF_STACK_UNREADABLE);
  }
  SECTION("saved at a register") {
    const auto by_sp = with_fp(rule, saved_at + LEAKBPF_REGISTER_SP, 8);
    const auto by_fp = with_fp(rule, saved_at + LEAKBPF_REGISTER_FP, -8);
    const auto by_r9 = with_fp(rule, saved_at + 9, 8);
    FakeTarget other = target;
    other.memory[sp + 8] = caller_fp;
    step(other, by_sp).check_caller(sp + 32, caller_fp);
    check_needs_all(other, by_sp, LEAKBPF_STACK_UNREADABLE);
    other = target;
    other.memory[fp - 8] = caller_fp;
    step(other, by_fp).check_caller(sp + 32, caller_fp);
    other = target;
    other.memory[0x5008] = caller_fp;
    other.cpu[9] = 0x5000;
    step(other, by_r9, inner_frame()).check_caller(sp + 32, caller_fp);
    step(other, by_r9, outer_frame()).check_caller(sp + 32, UNWIND_LOST_FP);
    other.memory.erase(0x5008);
    CHECK(step(other, by_r9, inner_frame()).result == LEAKBPF_STACK_UNREADABLE);
  }
  SECTION("held in a register") {
    const auto in_r15 = with_fp(rule, moved_to + LEAKBPF_REGISTER_R15);
    FakeTarget other = target;
    other.cpu[15] = caller_fp;
    step(other, in_r15, inner_frame()).check_caller(sp + 32, caller_fp);
    step(other, in_r15, outer_frame()).check_caller(sp + 32, UNWIND_LOST_FP);
    other.memory[saved + 7 * 8] = caller_fp + 8;
    step(other, in_r15, after_signal()).check_caller(sp + 32, caller_fp + 8);
    const auto in_sp = with_fp(rule, moved_to + LEAKBPF_REGISTER_SP);
    step(target, in_sp).check_caller(sp + 32, sp);
  }
  SECTION("not known") {
    step(target, with_fp(rule, LEAKBPF_SAVED_FP_UNKNOWN)).check_caller(sp + 32, UNWIND_LOST_FP);
    leakbpf_frame frame = outer_frame();
    frame.fp = UNWIND_LOST_FP;
    // To follow it is an error, not the end.
    CHECK(step(target, only(LEAKBPF_CFA_NONE), frame).result == LEAKBPF_STACK_BAD_FRAME);
  }
}

TEST_CASE("unwind step: frame pointers where there is no table", "[unwind]") {
  const auto rule = only(LEAKBPF_CFA_NONE);
  const FakeTarget target{{{fp, caller_fp}, {fp + 8, caller}}, {}, {}};
  step(target, rule).check_caller(fp + 16, caller_fp);
  step(target, rule, inner_frame()).check_caller(fp + 16, caller_fp);
  check_needs_all(target, rule, LEAKBPF_STACK_UNREADABLE);
  const auto with = [&](std::uint64_t its_fp) {
    FakeTarget there;
    there.memory = {{its_fp, caller_fp}, {its_fp + 8, caller}};
    leakbpf_frame frame = outer_frame();
    frame.fp = its_fp;
    return step(there, rule, frame);
  };
  CHECK(with(0).result == LEAKBPF_STACK_ZERO_FRAME);
  for (const std::uint64_t odd : {fp + 1, fp + 4, std::uint64_t{UNWIND_LOST_FP}})
    CHECK(with(odd).result == LEAKBPF_STACK_BAD_FRAME);
  CHECK(with(sp - 8).result == LEAKBPF_STACK_BAD_FRAME);
  with(sp).check_caller(sp + 16, caller_fp);
  const std::uint64_t most = sp + UNWIND_MAX_FRAME_BYTES;
  with(most).check_caller(most + 16, caller_fp);
  CHECK(with(most + 8).result == LEAKBPF_STACK_BAD_FRAME);
}

TEST_CASE("unwind step: a signal frame has all registers", "[unwind]") {
  const std::uint64_t registers = sp + 40;
  FakeTarget target;
  target.memory = {{registers + 10 * 8, caller_fp}, // bp
                   {registers + 15 * 8, 0x9000},    // sp
                   {registers + 16 * 8, caller}};   // ip
  const Stepped stepped = step(target, only(LEAKBPF_CFA_SIGNAL), inner_frame());
  CHECK(stepped.result == LEAKBPF_STACK_GOES_ON);
  CHECK(stepped.frame.pc == caller);
  CHECK(stepped.frame.sp == 0x9000);
  CHECK(stepped.frame.fp == caller_fp);
  CHECK(stepped.frame.saved_registers == registers);
  CHECK(stepped.frame.pc_is_return == 0);
  CHECK(stepped.frame.innermost == 0);
  check_needs_all(target, only(LEAKBPF_CFA_SIGNAL), LEAKBPF_STACK_UNREADABLE);
}

TEST_CASE("unwind step: registers in a signal frame lie as the kernel has them", "[unwind]") {
  FakeTarget target;
  std::set<int> numbers;
  for (std::size_t i = 0; i < signal_order.size(); ++i) {
    const int number = signal_order.at(i);
    CAPTURE(number);
    CHECK(unwind_signal_index(static_cast<std::uint32_t>(number)) == i);
    target.memory[saved + 8 * i] = 0x1'0000U + 0x100U * static_cast<unsigned>(number);
    numbers.insert(number);
  }
  REQUIRE(numbers.size() == 16);
  for (int number = 0; number < 16; ++number) {
    if (number == LEAKBPF_REGISTER_SP || number == LEAKBPF_REGISTER_FP)
      continue; // those are the frame's own
    CAPTURE(number);
    const std::uint64_t value = 0x1'0000U + 0x100U * static_cast<unsigned>(number);
    target.memory[value + 8] = caller;
    step(target, at(number, 16), after_signal()).check_caller(value + 16, fp);
  }
  // They are known in that frame only.
  const Stepped first = step(target, at(3, 16), after_signal());
  CHECK(step(target, at(3, 16), first.frame).result == LEAKBPF_STACK_LOST_REGISTER);
}

TEST_CASE("unwind step: what a pc says about the walk", "[unwind]") {
  CHECK(unwind_check_pc(0) == LEAKBPF_STACK_COMPLETE);
  CHECK(unwind_check_pc(1) == LEAKBPF_STACK_NOT_CODE);
  CHECK(unwind_check_pc(4095) == LEAKBPF_STACK_NOT_CODE);
  CHECK(unwind_check_pc(4096) == LEAKBPF_STACK_GOES_ON);
  CHECK(unwind_check_pc(0x7fff'ffff'ffff) == LEAKBPF_STACK_GOES_ON);
  CHECK(unwind_check_pc(0x8000'0000'0000) == LEAKBPF_STACK_NOT_CODE);
  CHECK(unwind_check_pc(~std::uint64_t{0}) == LEAKBPF_STACK_NOT_CODE);
}

TEST_CASE("unwind step: a stack's hashes fold its pcs, innermost first", "[unwind]") {
  const auto both = [](const std::array<std::uint64_t, 3>& pcs) {
    std::uint64_t hash = 0;
    std::uint64_t check = 0;
    for (const std::uint64_t one : pcs) {
      hash = unwind_hash(hash, one);
      check = unwind_check(check, one);
    }
    return std::pair{hash, check};
  };
  std::array<std::uint64_t, 3> pcs = {0x401000 | LEAKBPF_PC_EXACT, 0x7f00'1234'5678, 0x42};
  std::uint64_t hash = 0;
  std::uint64_t check = 0;
  for (const std::uint64_t one : pcs) {
    hash = (hash ^ one) * 0x9e37'79b9'7f4a'7c15U;
    hash ^= hash >> 29;
    check = check * 31 + one;
  }
  CHECK(both(pcs).first == hash);
  CHECK(both(pcs).second == check);
  std::swap(pcs[0], pcs[1]);
  CHECK(both(pcs).first != hash);
  CHECK(both(pcs).second != check);
}

TEST_CASE("unwind step: a pc that is no return address is marked where it is kept", "[unwind]") {
  leakbpf_frame frame{};
  frame.pc = 0x401000;
  CHECK(unwind_stored_pc(&frame) == (0x401000 | LEAKBPF_PC_EXACT));
  frame.pc_is_return = 1;
  CHECK(unwind_stored_pc(&frame) == 0x401000);
}
