// SPDX-License-Identifier: Apache-2.0
#include "symbol/namer.h"

#include <leakbpf/abi.h>

#include <algorithm>

#include <catch2/catch_test_macros.hpp>
#include <unistd.h>

extern "C" {
void leakbpf_namer_caller();
void leakbpf_namer_leaver();
void leakbpf_namer_inner();
}

// As a compiler lays them out: the caller calls the one that leaves by a jump to the inner one.
asm(".text\n"
    ".type leakbpf_namer_inner, @function\nleakbpf_namer_inner:\n"
    "  nop\n  nop\n  ret\n.size leakbpf_namer_inner, . - leakbpf_namer_inner\n"
    ".balign 16\n.type leakbpf_namer_leaver, @function\nleakbpf_namer_leaver:\n"
    "  nop\n  jmp leakbpf_namer_inner\n.size leakbpf_namer_leaver, . - leakbpf_namer_leaver\n"
    ".balign 16\n.type leakbpf_namer_leaver.cold, @function\nleakbpf_namer_leaver.cold:\n"
    "  nop\n  nop\n  ret\n"
    ".size leakbpf_namer_leaver.cold, . - leakbpf_namer_leaver.cold\n"
    ".type leakbpf_namer_caller, @function\nleakbpf_namer_caller:\n"
    "  call leakbpf_namer_leaver\n  ret\n"
    ".size leakbpf_namer_caller, . - leakbpf_namer_caller\n");

namespace leakbpf {
namespace {

constexpr std::uint64_t call_bytes = 5;

std::uint64_t address_of(void (*function)()) {
  return reinterpret_cast<std::uint64_t>(function);
}

/// Names of a stack of this process that is at `inner`, called by leakbpf_namer_caller.
std::vector<Frame> named(std::uint64_t inner) {
  const ProcFs proc;
  const auto mappings = proc.mappings(getpid());
  REQUIRE(mappings);
  AddressSpace space;
  space.update(*mappings);
  leakbpf_stack stack{};
  stack.depth = 2;
  stack.end = LEAKBPF_STACK_COMPLETE;
  stack.pc[0] = inner | LEAKBPF_PC_EXACT;
  stack.pc[1] = address_of(leakbpf_namer_caller) + call_bytes;
  Namer namer(proc, [](std::uint32_t, std::uint64_t) { return std::uint32_t{0}; });
  const Frames frames = namer.name(namer.locate(getpid(), 1, space, nullptr, stack));
  return {frames.begin(), frames.end()};
}

TEST_CASE("a function that left by a jump stands between its caller and where that led",
          "[symbol]") {
  const std::vector<Frame> frames = named(address_of(leakbpf_namer_inner) + 1);
  REQUIRE(frames.size() == 3);
  CHECK(frames[0].function == "leakbpf_namer_inner");
  CHECK(frames[1].function == "leakbpf_namer_leaver");
  CHECK(frames[1].tail_call);
  CHECK(frames[2].function == "leakbpf_namer_caller");
  CHECK_FALSE(frames[2].tail_call);
}

TEST_CASE("a function that was called and runs is there once", "[symbol]") {
  const std::vector<Frame> frames = named(address_of(leakbpf_namer_leaver) + 1);
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].function == "leakbpf_namer_leaver");
}

TEST_CASE("a part of a function that lies elsewhere is no other function", "[symbol]") {
  constexpr std::uint64_t aligned = 16;
  const std::vector<Frame> frames = named(address_of(leakbpf_namer_leaver) + aligned + 1);
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].function.starts_with("leakbpf_namer_leaver"));
  CHECK(frames[0].function != "leakbpf_namer_leaver");
}

} // namespace
} // namespace leakbpf
