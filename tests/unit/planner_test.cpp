// SPDX-License-Identifier: Apache-2.0
#include "plan/instruction.h"
#include "plan/probe_point.h"
#include "planner_functions.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

constexpr std::uint8_t kRdi = 1U << 0;
constexpr std::uint8_t kRsi = 1U << 1;
constexpr std::uint8_t kRdx = 1U << 2;
constexpr std::uint8_t kAllArguments = 0x3f;

constexpr ProbeNeed kFirst{kRdi, true, false};
constexpr ProbeNeed kFirstNotNull{kRdi, true, true};
constexpr ProbeNeed kTwo{kRdi | kRsi, true, false};
constexpr ProbeNeed kThree{kRdi | kRsi | kRdx, true, false};
constexpr ProbeNeed kAll{kAllArguments, true, false};

// Hexadecimal digits, spaces between them as the writer likes.
std::vector<std::uint8_t> bytes_of(std::string_view hex) {
  std::string digits;
  std::ranges::copy_if(hex, std::back_inserter(digits), [](char c) { return c != ' '; });
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(digits.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

ProbePoint plan(std::string_view hex, const ProbeNeed& need, std::uint64_t address = 0x1000) {
  return plan_probe_point(bytes_of(hex), address, need);
}

void check_emulated(const ProbePoint& point, std::uint32_t offset, std::string_view instruction) {
  CAPTURE(point.reason);
  CHECK(point.offset == offset);
  CHECK(point.instruction == instruction);
  CHECK(point.cost == ProbeCost::emulated);
}

void check_entry(const ProbePoint& point, std::string_view obstacle) {
  CAPTURE(point.instruction);
  CHECK(point.offset == 0);
  CHECK(point.cost == ProbeCost::single_stepped);
  CHECK(point.reason == "no emulated instruction before " + std::string(obstacle));
}

} // namespace

TEST_CASE("planner: Debian 12 libc, functions with an emulated entry", "[planner]") {
  check_emulated(plan(functions::kMalloc, kFirst), 0, "push r12");
  check_emulated(plan(functions::kCalloc, kTwo), 0, "push r13");
  check_emulated(plan(functions::kRealloc, kTwo), 0, "push r15");
  check_emulated(plan(functions::kSbrk, kFirst), 0, "push r12");
  CHECK(plan(functions::kMalloc, kFirst).reason == "the entry is emulated");
}

TEST_CASE("planner: Debian 12 libc, free with and without null arguments", "[planner]") {
  const ProbePoint skipping = plan(functions::kFree, kFirstNotNull, 0x98ef0);
  check_emulated(skipping, 9, "push rbp");
  CHECK(skipping.reason == "first emulated after the null check");
  check_emulated(plan(functions::kFree, kFirst, 0x98ef0), 3, "jz 0x98fb8");
}

TEST_CASE("planner: Debian 12 libc, a cheap instruction after the entry", "[planner]") {
  check_emulated(plan(functions::kPosixMemalign, kThree), 7, "push r12");
  // Both ways of the branch are calls that matter, so the probe stands on it, not after it.
  check_emulated(plan(functions::kMemalign, kTwo, 0x99610), 7, "jz 0x99620");
  check_emulated(plan(functions::kMmap, kAll, 0x1019a0), 10, "jnz 0x1019c0");
}

TEST_CASE("planner: Debian 12 libc, no cheap instruction", "[planner]") {
  check_entry(plan(functions::kMunmap, kTwo), "the system call");
  check_entry(plan(functions::kBrk, kFirst), "the system call");
  check_entry(plan(functions::kMremap, kAll), "the stack pointer moves");
  // Without the return address, the branch behind the frame is good enough.
  check_emulated(plan(functions::kMremap, {kAllArguments, false, false}, 0x1099d0), 28,
                 "jnbe 0x109a48");
}

TEST_CASE("planner: steps over endbr64 in code built for CET", "[planner]") {
  const ProbePoint point = plan(functions::kCetAlloc, kTwo);
  check_emulated(point, 4, "push rbp");
  CHECK(point.reason == "first emulated instruction");
}

TEST_CASE("planner: every form that the kernel emulates", "[planner]") {
  for (const std::string_view hex : {
           "50 c3",           // push rax
           "57 c3",           // push rdi
           "4150 c3",         // push r8
           "4157 c3",         // push r15
           "eb10 c3",         // jmp short
           "e900010000 c3",   // jmp near
           "e800010000 c3",   // call
           "7010 c3",         // jo short
           "7f10 c3",         // jg short
           "0f8000010000 c3", // jo near
           "0f8f00010000 c3", // jg near
           "90 c3",           // nop
       }) {
    CAPTURE(hex);
    const ProbePoint point = plan(hex, kAll);
    CHECK(point.offset == 0);
    CHECK(point.cost == ProbeCost::emulated);
  }
}

TEST_CASE("planner: look-alikes that the kernel does not emulate", "[planner]") {
  for (const std::string_view hex : {
           "f2e900010000 c3", // bnd jmp
           "f2e800010000 c3", // bnd call
           "2e7410 c3",       // branch hint
           "6650 c3",         // push ax
           "4055 c3",         // push rbp with an empty REX
           "6a01 c3",         // push 1
           "ff30 c3",         // push [rax]
           "6690 c3",         // two-byte nop
           "f390 c3",         // pause
           "4190 c3",         // xchg r8,rax
           "0f1f00 c3",       // three-byte nop
           "e310 c3",         // jrcxz
           "e210 c3",         // loop
           "ffe0",            // jmp rax
           "c3",              // ret
       }) {
    CAPTURE(hex);
    const ProbePoint point = plan(hex, kAll);
    CHECK(point.offset == 0);
    CHECK(point.cost == ProbeCost::single_stepped);
  }
}

TEST_CASE("planner: nothing after the first branch", "[planner]") {
  // test rsi,rsi; je +16; push rbp: the branch itself is the place.
  check_emulated(plan("4885f6 7410 55 c3", kTwo), 3, "jz 0x1015");
  // je; push: the branch is the entry.
  check_emulated(plan("7410 55 c3", kTwo), 0, "jz 0x1012");
  // jrcxz; push: the branch is not emulated, and the push is not on every path.
  check_entry(plan("e310 55 c3", kTwo), "the first branch");
  check_entry(plan("c3 55", kFirst), "the function is left");
  check_entry(plan("0f0b 55", kFirst), "the function is left");
  check_entry(plan("cd80 55 c3", kFirst), "the system call");
  // call rax; push, with nothing asked of the registers.
  check_entry(plan("ffd0 55 c3", {0, false, false}), "the first call");
}

TEST_CASE("planner: which null checks may be passed", "[planner]") {
  SECTION("endbr64, and instructions that leave the flags alone") {
    // endbr64; test rdi,rdi; mov rax,rdi; je +32; push rbx
    check_emulated(plan("f30f1efa 4885ff 4889f8 7420 53 c3", kFirstNotNull), 12, "push rbx");
  }
  SECTION("cmp rdi,0; je +32; push rbx") {
    check_emulated(plan("4883ff00 7420 53 c3", kFirstNotNull), 6, "push rbx");
  }
  SECTION("near form") {
    check_emulated(plan("4885ff 0f8400010000 53 c3", kFirstNotNull), 9, "push rbx");
  }
  SECTION("two checks") {
    check_emulated(plan("4885ff 7420 4885ff 7420 53 c3", kFirstNotNull), 10, "push rbx");
  }
  SECTION("nothing cheap after it: the check itself") {
    const ProbePoint point = plan("4885ff 7420 4883ec08 c3", kFirstNotNull);
    check_emulated(point, 3, "jz 0x1025");
    CHECK(point.reason == "the null check is emulated");
  }
  SECTION("its target is where the cheap place is") {
    check_emulated(plan("4885ff 7400 53 c3", kFirstNotNull), 3, "jz 0x1005");
  }
  for (const std::string_view hex : {
           "85ff90 7420 53 c3",        // test edi,edi: half of the register
           "4885f6 7420 53 c3",        // test rsi,rsi: another argument
           "4885f7 7420 53 c3",        // test rdi,rsi
           "4839ff 7420 53 c3",        // cmp rdi,rdi: always equal
           "4883ff01 7420 53 c3",      // cmp rdi,1
           "4885ff 7520 53 c3",        // jne: the way on is the one for null
           "4885ff 4885f6 7420 53 c3", // flags of another test
           "4885ff 4801c8 7420 53 c3", // flags of an addition
           "4889f7 4885ff 7420 53 c3", // rdi is no longer the argument
       }) {
    CAPTURE(hex);
    ProbeNeed need = kFirstNotNull;
    need.arguments = 0;
    const ProbePoint point = plan(hex, need);
    CHECK(point.instruction != "push rbx");
    CHECK(point.cost == ProbeCost::emulated);
  }
}

TEST_CASE("planner: a place that a branch leads to again is refused", "[planner]") {
  // xor eax,eax; L: push rdi; dec rcx; jne L
  check_entry(plan("31c0 57 48ffc9 75fa c3", kFirst), "a branch target");
  // xor eax,eax; L: dec rcx; nop; jne L: the place is inside the loop, after its head.
  check_entry(plan("31c0 48ffc9 90 75fa c3", kFirst), "a branch target");
  // The same when bytes between that are no code hide the branch from a strict decoder.
  check_entry(plan("31c0 57 c3 06 0606 ebf9", kFirst), "a branch target");
  // A jump back to the entry repeats entry and place alike.
  check_emulated(plan("31c0 57 48ffc9 75f8 c3", kFirst), 2, "push rdi");
  check_emulated(plan("57 48ffc9 75fa c3", kFirst), 0, "push rdi");
  // A jump to the instruction after the place does not matter.
  check_emulated(plan("31c0 57 48ffc9 75fb c3", kFirst), 2, "push rdi");
}

TEST_CASE("planner: an operand relative to rip is only stepped over", "[planner]") {
  // mov rax,[rip+0x1234]; push rbp
  check_emulated(plan("488b0534120000 55 c3", kAll), 7, "push rbp");
}

TEST_CASE("planner: needed arguments must still be there", "[planner]") {
  constexpr std::string_view kWhy = "the arguments are overwritten";
  check_entry(plan("4889f7 55 c3", kFirst), kWhy);   // mov rdi,rsi
  check_entry(plan("31ff 55 c3", kFirst), kWhy);     // xor edi,edi
  check_entry(plan("40b701 55 c3", kFirst), kWhy);   // mov dil,1
  check_entry(plan("b501 55 c3", kAll), kWhy);       // mov ch,1
  check_entry(plan("480f44fe 55 c3", kFirst), kWhy); // cmove rdi,rsi
  check_entry(plan("4887f7 55 c3", kTwo), kWhy);     // xchg rdi,rsi
  check_entry(plan("f348ab 55 c3", kFirst), kWhy);   // rep stosq moves rdi
  check_entry(plan("48f7e6 55 c3", kThree), kWhy);   // mul rsi writes rdx
  check_entry(plan("0fa2 55 c3", kThree), kWhy);     // cpuid writes rdx
  check_entry(plan("4531c9 55 c3", kAll), kWhy);     // xor r9d,r9d
  check_emulated(plan("4531c9 55 c3", kThree), 3, "push rbp");
  check_emulated(plan("4889f7 55 c3", {kRsi, true, false}), 3, "push rbp");
}

TEST_CASE("planner: the return address must still be at [rsp]", "[planner]") {
  constexpr std::string_view kWhy = "the stack pointer moves";
  check_entry(plan("4883ec08 55 c3", kFirst), kWhy);   // sub rsp,8
  check_entry(plan("6a01 55 c3", kFirst), kWhy);       // push 1
  check_entry(plan("58 55 c3", kFirst), kWhy);         // pop rax
  check_entry(plan("9c 55 c3", kFirst), kWhy);         // pushfq
  check_entry(plan("c9 55 c3", kFirst), kWhy);         // leave
  check_entry(plan("c8100000 55 c3", kFirst), kWhy);   // enter 16,0
  check_entry(plan("4889dc 55 c3", kFirst), kWhy);     // mov rsp,rbx
  check_entry(plan("48890424 55 c3", kFirst), kWhy);   // mov [rsp],rax
  check_entry(plan("48894424fc 55 c3", kFirst), kWhy); // mov [rsp-4],rax
  check_emulated(plan("4883ec08 55 c3", {kRdi, false, false}), 4, "push rbp");
  check_emulated(plan("48894424f8 55 c3", kFirst), 5, "push rbp"); // red zone
  check_emulated(plan("488d6c24f8 55 c3", kFirst), 5, "push rbp"); // lea rbp,[rsp-8]
}

TEST_CASE("planner: never on a nop that the kernel rewrites", "[planner]") {
  check_emulated(plan("0f1f440000 55 c3", kFirst), 5, "push rbp");
  check_emulated(plan("f30f1efa 0f1f440000 55 c3", kFirst), 9, "push rbp");
  // Not even when nothing is cheap: the next place, single-stepped.
  const ProbePoint stepped = plan("0f1f440000 4883ec08 c3", kFirst);
  CHECK(stepped.offset == 5);
  CHECK(stepped.instruction == "sub rsp, 0x08");
  CHECK(stepped.cost == ProbeCost::single_stepped);
  CHECK(stepped.reason == "not on a nop that the kernel rewrites");
}

TEST_CASE("planner: an entry that the kernel refuses is left for the next place", "[planner]") {
  const ProbePoint point = plan("f0480fc107 4883ec08 c3", kFirst); // lock xadd [rdi],rax
  CHECK(point.offset == 5);
  CHECK(point.cost == ProbeCost::single_stepped);
  CHECK(point.reason == "the kernel refuses a probe on the entry");
}

TEST_CASE("planner: not far from the entry", "[planner]") {
  std::string hex;
  for (int i = 0; i < 32; ++i) {
    hex += "31c0"; // xor eax,eax
  }
  check_emulated(plan(hex + "55c3", kFirst), 64, "push rbp");
  check_entry(plan(hex + "31c055c3", kFirst), "the prologue's length");
}

TEST_CASE("planner: empty, truncated and undecodable code", "[planner]") {
  const ProbePoint none = plan_probe_point({}, 0x1000, kFirst);
  CHECK(none.offset == 0);
  CHECK(none.instruction.empty());
  CHECK(none.cost == ProbeCost::single_stepped);
  CHECK(none.reason == "no code");

  check_entry(plan("06", kFirst), "bytes that do not decode");
  check_entry(plan("06 55 c3", kFirst), "bytes that do not decode");
  check_entry(plan("31c0 06 55 c3", kFirst), "bytes that do not decode");
  check_entry(plan("488b05", kFirst), "bytes that do not decode");
  check_entry(plan("31c0 41", kFirst), "bytes that do not decode");
  check_entry(plan("31c0", kFirst), "the code ends");
  check_emulated(plan("31c0 55 06", kFirst), 2, "push rbp");
}

TEST_CASE("planner: any cut of a real function gives a place inside it", "[planner]") {
  const std::vector<std::uint8_t> code = bytes_of(functions::kFree);
  for (std::size_t size = 1; size <= code.size(); ++size) {
    const ProbePoint point = plan_probe_point(std::span(code).first(size), 0, kFirstNotNull);
    CHECK(point.offset < size);
  }
}

namespace {

// Bytes at random are rarely a prologue, so pieces of prologues are mixed in.
std::vector<std::uint8_t> random_code(std::mt19937& random) {
  static const std::array kPieces = {
      bytes_of("f30f1efa"),     bytes_of("0f1f440000"), bytes_of("4885ff"), bytes_of("7405"),
      bytes_of("ebf0"),         bytes_of("31c0"),       bytes_of("4154"),   bytes_of("4889f3"),
      bytes_of("803d00000000"), bytes_of("75fa"),
  };
  std::vector<std::uint8_t> code;
  const std::size_t size = 1 + random() % 96;
  while (code.size() < size) {
    if (random() % 2 == 0) {
      code.push_back(static_cast<std::uint8_t>(random()));
    } else {
      const auto& piece = kPieces.at(random() % kPieces.size());
      code.insert(code.end(), piece.begin(), piece.end());
    }
  }
  code.resize(size);
  return code;
}

// Empty when `point` keeps the promises that hold for any code, else the broken one.
std::string broken_promise(std::span<const std::uint8_t> code, const ProbePoint& point) {
  const InstructionDecoder decoder;
  if (point.offset >= code.size()) {
    return "outside the code";
  }
  std::size_t offset = 0;
  while (offset < point.offset) {
    const auto insn = decoder.decode(code.subspan(offset));
    if (!insn) {
      return "behind bytes that do not decode";
    }
    offset += insn->length;
  }
  if (offset != point.offset) {
    return "inside an instruction";
  }
  if (point.offset != 0 && point.offset >= decoder.lowest_branch_target(code)) {
    return "behind a branch target";
  }
  const auto chosen = decoder.decode(code.subspan(offset));
  if ((point.cost == ProbeCost::emulated) != (chosen && chosen->emulated)) {
    return "wrong cost";
  }
  if (chosen && point.offset != 0 && chosen->unfit != Unfit::no) {
    return "unfit instruction";
  }
  return point.reason.empty() ? "no reason" : "";
}

} // namespace

TEST_CASE("planner: random bytes", "[planner]") {
  std::mt19937 random(20240229); // NOLINT: the same bytes in every run
  for (int round = 0; round < 100'000; ++round) {
    const std::vector<std::uint8_t> code = random_code(random);
    const ProbeNeed need{static_cast<std::uint8_t>(random() & kAllArguments), random() % 2 == 0,
                         random() % 2 == 0};
    const std::string broken = broken_promise(code, plan_probe_point(code, random(), need));
    if (!broken.empty()) {
      CAPTURE(round, code);
      FAIL_CHECK(broken);
    }
  }
}

} // namespace leakbpf
