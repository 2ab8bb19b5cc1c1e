// SPDX-License-Identifier: Apache-2.0
// Allocation functions that call one another, in a file that is made here.
#include "plan/probe_plan.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

using Code = std::vector<std::uint8_t>;

constexpr std::uint8_t call_near = 0xe8;
constexpr std::uint8_t jump_near = 0xe9;
constexpr std::uint8_t push_rbp = 0x55;
constexpr std::uint8_t nop = 0x90;
constexpr std::uint8_t ret = 0xc3;

constexpr std::uint64_t malloc_at = 0x98860;
constexpr std::uint64_t calloc_at = 0x99440;
constexpr std::uint64_t realloc_at = 0x99150;
constexpr std::uint64_t reallocarray_at = 0x9c7d0;
constexpr std::uint64_t free_at = 0x98ef0;
constexpr std::uint64_t memalign_at = 0x99100;
constexpr std::uint64_t mmap_at = 0x104e00;

/// A function at `begin` that does nothing but, if `opcode` is one, go to `to`.
Code code_at(std::uint64_t begin, std::uint8_t opcode = nop, std::uint64_t to = 0) {
  Code code{push_rbp, nop, nop};
  if (opcode != nop) {
    const std::uint64_t next = begin + code.size() + 5;
    const auto distance = static_cast<std::int32_t>(static_cast<std::int64_t>(to - next));
    std::uint8_t bytes[sizeof(distance)];
    std::memcpy(bytes, &distance, sizeof(distance));
    code.push_back(opcode);
    code.insert(code.end(), std::begin(bytes), std::end(bytes));
  }
  code.push_back(ret);
  return code;
}

/// A function that is nothing but a jump.
Code jump_from(std::uint64_t begin, std::uint64_t to) {
  Code code = code_at(begin, jump_near, to + 3);
  code.erase(code.begin(), code.begin() + 3);
  return code;
}

AllocatorFunction function(const std::string& name, std::uint64_t file_offset, Code code) {
  const AllocationFunction* const known = find_allocation_function(name);
  REQUIRE(known);
  return {known, name, file_offset, std::move(code)};
}

AllocatorFunction plain(const std::string& name, std::uint64_t file_offset) {
  return function(name, file_offset, code_at(file_offset));
}

Allocator file_with(std::vector<AllocatorFunction> functions) {
  Allocator allocator;
  allocator.file.path = "/lib/heap.so";
  allocator.functions = std::move(functions);
  return allocator;
}

ProbePlan plan_of(std::vector<AllocatorFunction> functions) {
  return plan_probes(file_with(std::move(functions)));
}

ProbePlan plan_of_glibc(std::vector<AllocatorFunction> functions) {
  Allocator allocator = file_with(std::move(functions));
  allocator.is_glibc = true;
  return plan_probes(allocator);
}

const PlannedProbe* find(const ProbePlan& plan, const std::string& symbol) {
  const auto found =
      std::find_if(plan.probes.begin(), plan.probes.end(),
                   [&](const PlannedProbe& probe) { return probe.symbol == symbol; });
  return found == plan.probes.end() ? nullptr : &*found;
}

bool has_bit(const ProbePlan& plan, const std::string& symbol, std::uint64_t bit) {
  const PlannedProbe* const probe = find(plan, symbol);
  REQUIRE(probe);
  // Else the cookie is the function's.
  const std::uint64_t both = LEAKBPF_COOKIE_NESTS | LEAKBPF_COOKIE_NULL_ALLOCATES;
  CHECK((probe->cookie | both) == (probe->function->cookie | both));
  return (probe->cookie & bit) != 0;
}

bool nests(const ProbePlan& plan, const std::string& symbol) {
  return has_bit(plan, symbol, LEAKBPF_COOKIE_NESTS);
}

bool null_allocates(const ProbePlan& plan, const std::string& symbol) {
  return has_bit(plan, symbol, LEAKBPF_COOKIE_NULL_ALLOCATES);
}

TEST_CASE("functions that call no other do not nest", "[plan]") {
  const ProbePlan plan = plan_of_glibc({plain("malloc", malloc_at), plain("calloc", calloc_at),
                                        plain("realloc", realloc_at), plain("free", free_at)});
  CHECK(plan.probes.size() == 4);
  for (const char* const symbol : {"malloc", "calloc", "realloc", "free"}) {
    CAPTURE(symbol);
    CHECK_FALSE(nests(plan, symbol));
    CHECK_FALSE(null_allocates(plan, symbol));
  }
  CHECK(find(plan, "malloc")->file_offset == malloc_at + find(plan, "malloc")->point.offset);
}

TEST_CASE("glibc's realloc of a null pointer is left to malloc", "[plan]") {
  for (const std::uint8_t opcode : {call_near, jump_near}) {
    CAPTURE(opcode);
    // Forwards and backwards, whatever comes first in the list.
    for (const std::uint64_t from : {realloc_at, malloc_at - 0x2000}) {
      const AllocatorFunction realloc = function("realloc", from, code_at(from, opcode, malloc_at));
      for (const ProbePlan& plan : {plan_of_glibc({plain("malloc", malloc_at), realloc}),
                                    plan_of_glibc({realloc, plain("malloc", malloc_at)})}) {
        CHECK(plan.probes.size() == 2);
        CHECK(null_allocates(plan, "realloc"));
        CHECK_FALSE(nests(plan, "realloc"));
        CHECK_FALSE(null_allocates(plan, "malloc"));
      }
    }
  }
}

TEST_CASE("another allocator's realloc may call what is not seen in its code", "[plan]") {
  for (const ProbePlan& plan :
       {plan_of({plain("malloc", malloc_at), plain("realloc", realloc_at)}),
        plan_of({plain("malloc", malloc_at),
                 function("realloc", realloc_at, code_at(realloc_at, call_near, malloc_at))})}) {
    CHECK(nests(plan, "realloc"));
    CHECK_FALSE(null_allocates(plan, "realloc"));
  }
}

TEST_CASE("a calloc that goes to malloc nests, and malloc to calloc, too", "[plan]") {
  CHECK(nests(plan_of({plain("malloc", malloc_at),
                       function("calloc", calloc_at, code_at(calloc_at, call_near, malloc_at))}),
              "calloc"));
  CHECK(nests(plan_of({plain("calloc", calloc_at),
                       function("malloc", malloc_at, code_at(malloc_at, jump_near, calloc_at))}),
              "malloc"));
}

TEST_CASE("aligned allocation nests even when no call is seen", "[plan]") {
  CHECK(nests(plan_of({plain("memalign", memalign_at)}), "memalign"));
}

TEST_CASE("only what goes to the first instruction of a heap function nests", "[plan]") {
  const auto calloc_to = [](std::uint64_t to) {
    return function("calloc", calloc_at, code_at(calloc_at, call_near, to));
  };
  CHECK_FALSE(nests(plan_of({plain("malloc", malloc_at), calloc_to(malloc_at + 1)}), "calloc"));
  CHECK_FALSE(nests(plan_of({plain("malloc", malloc_at), calloc_to(malloc_at - 1)}), "calloc"));
  CHECK_FALSE(nests(plan_of({plain("free", free_at), calloc_to(free_at)}), "calloc"));
  CHECK_FALSE(nests(plan_of({plain("mmap", mmap_at), calloc_to(mmap_at)}), "calloc"));
  CHECK_FALSE(nests(plan_of({calloc_to(calloc_at)}), "calloc")); // itself
  CHECK(nests(plan_of({plain("realloc", realloc_at), calloc_to(realloc_at)}), "calloc"));
  // Not in this file's list at all.
  CHECK_FALSE(nests(plan_of({plain("realloc", realloc_at), calloc_to(malloc_at)}), "calloc"));
}

TEST_CASE("a call through a stub is one of the function that it goes to", "[plan]") {
  constexpr std::uint64_t stub_at = 0x15010;
  Allocator allocator =
      file_with({plain("malloc", malloc_at),
                 function("calloc", calloc_at, code_at(calloc_at, call_near, stub_at)),
                 function("cfree", memalign_at, code_at(memalign_at, jump_near, stub_at + 16)),
                 plain("free", free_at)});
  CHECK_FALSE(nests(plan_probes(allocator), "calloc"));
  allocator.stubs = {{stub_at, malloc_at}, {stub_at + 16, free_at}};
  const ProbePlan plan = plan_probes(allocator);
  CHECK(nests(plan, "calloc"));
  CHECK_FALSE(find(plan, "cfree"));
}

TEST_CASE("free does not nest, whatever it calls", "[plan]") {
  CHECK_FALSE(nests(plan_of({plain("malloc", malloc_at),
                             function("free", free_at, code_at(free_at, call_near, malloc_at))}),
                    "free"));
  CHECK_FALSE(nests(plan_of({plain("malloc", malloc_at),
                             function("mmap", mmap_at, code_at(mmap_at, call_near, malloc_at))}),
                    "mmap"));
}

TEST_CASE("a call that is cut off by the end of the code is none", "[plan]") {
  Code cut = code_at(calloc_at, call_near, malloc_at);
  cut.pop_back();
  cut.pop_back(); // the last byte of the distance
  CHECK_FALSE(
      nests(plan_of({plain("malloc", malloc_at), function("calloc", calloc_at, cut)}), "calloc"));
  Code last = code_at(calloc_at, call_near, malloc_at);
  last.pop_back(); // the call is the last instruction
  CHECK(
      nests(plan_of({plain("malloc", malloc_at), function("calloc", calloc_at, last)}), "calloc"));
  CHECK_FALSE(
      nests(plan_of({plain("malloc", malloc_at), function("calloc", calloc_at, {})}), "calloc"));
}

TEST_CASE("a reallocarray that goes to realloc is left out", "[plan]") {
  for (const std::uint8_t opcode : {call_near, jump_near}) {
    CAPTURE(opcode);
    const ProbePlan plan = plan_of(
        {plain("malloc", malloc_at), plain("realloc", realloc_at),
         function("reallocarray", reallocarray_at, code_at(reallocarray_at, opcode, realloc_at))});
    CHECK(plan.probes.size() == 2);
    CHECK_FALSE(find(plan, "reallocarray"));
    CHECK(find(plan, "realloc"));
  }
}

TEST_CASE("a reallocarray that does it by itself is probed", "[plan]") {
  const ProbePlan plan =
      plan_of_glibc({plain("realloc", realloc_at), plain("reallocarray", reallocarray_at)});
  CHECK(plan.probes.size() == 2);
  CHECK_FALSE(null_allocates(plan, "reallocarray"));
  const ProbePlan by_malloc = plan_of_glibc(
      {plain("malloc", malloc_at), plain("realloc", realloc_at),
       function("reallocarray", reallocarray_at, code_at(reallocarray_at, call_near, malloc_at))});
  CHECK(by_malloc.probes.size() == 3);
  CHECK(null_allocates(by_malloc, "reallocarray"));
}

// ---- C++'s operators ----------------------------------------------------------------------------

constexpr std::uint64_t new_at = 0xade30;
constexpr std::uint64_t delete_at = 0xae0d0;

/// The code at `from` with, at each mark, the distance to `to`. A mark is four zero bytes after a
/// call, a jump, or a branch of six bytes.
Code with_distances(std::uint64_t from, Code code, std::uint64_t to) {
  for (std::size_t at = 1; at + 4 <= code.size(); at++) {
    const bool goes = code[at - 1] == call_near || code[at - 1] == jump_near;
    if (!goes || code[at] != 0 || code[at + 1] != 0 || code[at + 2] != 0 || code[at + 3] != 0)
      continue;
    const auto distance =
        static_cast<std::int32_t>(static_cast<std::int64_t>(to - (from + at + 4)));
    std::memcpy(&code[at], &distance, sizeof distance);
  }
  return code;
}

bool new_is_left_out(Code code) {
  const ProbePlan plan =
      plan_of({plain("malloc", malloc_at),
               function("_Znwm", new_at, with_distances(new_at, std::move(code), malloc_at))});
  CHECK(find(plan, "malloc"));
  return !find(plan, "_Znwm");
}

bool delete_is_left_out(Code code) {
  const ProbePlan plan =
      plan_of({plain("free", free_at),
               function("_ZdlPv", delete_at, with_distances(delete_at, std::move(code), free_at))});
  CHECK(find(plan, "free"));
  return !find(plan, "_ZdlPv");
}

TEST_CASE("an operator new that only calls malloc is left out", "[plan]") {
  // libstdc++: size 0 becomes 1; malloc until it succeeds, with the handler in between.
  CHECK(new_is_left_out({
      0x48, 0x85, 0xff,             // test rdi, rdi
      0xb8, 0x01, 0x00, 0x00, 0x00, // mov eax, 1
      0x53,                         // push rbx
      0x48, 0x0f, 0x45, 0xc7,       // cmovne rax, rdi
      0x48, 0x89, 0xc3,             // mov rbx, rax
      0x48, 0x89, 0xdf,             // again: mov rdi, rbx
      0xe8, 0,    0,    0,    0,    // call malloc
      0x48, 0x85, 0xc0,             // test rax, rax
      0x74, 0x02,                   // jz handler
      0x5b, 0xc3,                   // pop rbx; ret
      0x31, 0xc0,                   // handler: xor eax, eax
      0xff, 0xd0,                   // call rax
      0xeb, 0xeb,                   // jmp again
  }));
  CHECK(new_is_left_out({0xe9, 0, 0, 0, 0}));                         // jmp malloc
  CHECK(new_is_left_out({0xf3, 0x0f, 0x1e, 0xfa, 0xe9, 0, 0, 0, 0})); // endbr64; jmp malloc
}

TEST_CASE("an operator new that may do without malloc is probed", "[plan]") {
  // jemalloc, tcmalloc: only large blocks and an empty cache are for malloc.
  const Code inlined{
      0x48, 0x81, 0xff, 0x00, 0x10, 0x00, 0x00, // cmp rdi, 4096
      0x77, 0x04,                               // ja slow
      0x48, 0x8b, 0x07,                         // mov rax, [rdi]
      0xc3,                                     // ret
      0xe9, 0,    0,    0,    0,                // slow: jmp malloc
  };
  CHECK_FALSE(new_is_left_out(inlined));
  const ProbePlan plan =
      plan_of({plain("malloc", malloc_at),
               function("_Znwm", new_at, with_distances(new_at, inlined, malloc_at))});
  CHECK(nests(plan, "_Znwm"));
  CHECK_FALSE(new_is_left_out({0xc3}));
  CHECK_FALSE(new_is_left_out({0xff, 0xe0}));                   // jmp rax: who knows
  CHECK_FALSE(new_is_left_out({0x74, 0x40, 0xe8, 0, 0, 0, 0})); // jz to outside
  CHECK_FALSE(new_is_left_out({0x90, 0x90}));                   // runs off its end
  CHECK_FALSE(new_is_left_out({0x06}));                         // no instruction
  CHECK_FALSE(new_is_left_out({}));
  CHECK_FALSE(new_is_left_out({0xeb, 0xfe})); // never arrives
}

TEST_CASE("what cannot return needs no malloc", "[plan]") {
  CHECK(new_is_left_out({
      0x48, 0x83, 0xfe, 0x10, // cmp rsi, 16
      0x77, 0x05,             // ja refuse
      0xe9, 0, 0, 0, 0,       // jmp malloc
      0x0f, 0x0b,             // refuse: ud2
  }));
  CHECK(new_is_left_out({
      0x48, 0x83, 0xfe, 0x10, // cmp rsi, 16
      0x77, 0x05,             // ja refuse
      0xe9, 0, 0, 0, 0,       // jmp malloc
      0xff, 0xd0,             // refuse: call rax, and the function ends here
  }));
}

TEST_CASE("malloc itself is left out only where it is another's name", "[plan]") {
  const Code calls = with_distances(malloc_at, {0x57, 0xe8, 0, 0, 0, 0, 0x5f, 0xc3}, calloc_at);
  CHECK(find(plan_of({function("malloc", malloc_at, calls), plain("calloc", calloc_at)}),
             "malloc")); // with other arguments
  const Code jumps = with_distances(malloc_at, {0xe9, 0, 0, 0, 0}, new_at);
  CHECK_FALSE(
      find(plan_of({function("malloc", malloc_at, jumps), plain("_Znwm", new_at)}), "malloc"));
  CHECK(find(plan_of({function("malloc", malloc_at, jumps), plain("_ZdlPv", new_at)}), "malloc"));
}

TEST_CASE("an operator delete that only frees is left out", "[plan]") {
  CHECK(delete_is_left_out({0xe9, 0, 0, 0, 0})); // jmp free
  CHECK(delete_is_left_out({
      0x48, 0x85, 0xff,             // test rdi, rdi
      0x74, 0x0e,                   // jz nothing
      0x48, 0x83, 0xec, 0x08,       // sub rsp, 8
      0xe8, 0,    0,    0,    0,    // call free
      0x48, 0x83, 0xc4, 0x08, 0xc3, // add rsp, 8; ret
      0xc3,                         // nothing: ret
  }));
}

TEST_CASE("an operator delete that may free something else is probed", "[plan]") {
  CHECK_FALSE(delete_is_left_out({
      0x48, 0x8b, 0x7f, 0xf8, // mov rdi, [rdi-8]: the block that this one lies in
      0xe9, 0, 0, 0, 0,       // jmp free
  }));
  CHECK_FALSE(delete_is_left_out({
      0x48, 0x85, 0xf6, // test rsi, rsi: not the pointer
      0x74, 0x05,       // jz nothing
      0xe9, 0, 0, 0, 0, // jmp free
      0xc3,             // nothing: ret
  }));
  CHECK_FALSE(delete_is_left_out({
      0x48, 0x89, 0xf7, // mov rdi, rsi
      0x48, 0x85, 0xff, // test rdi, rdi
      0x74, 0x05,       // jz nothing
      0xe9, 0, 0, 0, 0, // jmp free
      0xc3,             // nothing: ret
  }));
}

TEST_CASE("operators that go to one another end at one that is probed", "[plan]") {
  const std::uint64_t array_at = 0xadf10;
  const ProbePlan plan =
      plan_of({plain("malloc", malloc_at), plain("_Znwm", new_at),
               function("_Znam", array_at, with_distances(array_at, {0xe9, 0, 0, 0, 0}, new_at))});
  CHECK(find(plan, "_Znwm"));
  CHECK_FALSE(find(plan, "_Znam"));
}

TEST_CASE("the ranges of heap functions are those of heap functions", "[plan]") {
  const std::vector<AllocatorFunction> functions{
      plain("malloc", malloc_at),
      plain("mmap", mmap_at),
      plain("free", free_at),
      plain("sbrk", 0x105000),
      plain("realloc", realloc_at),
      function("reallocarray", reallocarray_at, code_at(reallocarray_at, jump_near, realloc_at))};
  const ProbePlan plan = plan_of(functions);
  std::vector<std::uint64_t> begins;
  for (const CodeRange& range : plan.heap_functions) {
    begins.push_back(range.begin);
    const auto found =
        std::find_if(functions.begin(), functions.end(), [&](const AllocatorFunction& each) {
          return each.file_offset == range.begin;
        });
    REQUIRE(found != functions.end());
    CHECK(range.end == range.begin + found->code.size());
  }
  std::sort(begins.begin(), begins.end());
  // That of a function without a probe is one of them.
  std::vector<std::uint64_t> expected{malloc_at, free_at, realloc_at, reallocarray_at};
  std::sort(expected.begin(), expected.end());
  CHECK(begins == expected);
}

TEST_CASE("what a heap function jumps to at once is its body", "[plan]") {
  constexpr std::uint64_t body_at = 0x140000;
  Allocator allocator = file_with({function("malloc", malloc_at, jump_from(malloc_at, body_at)),
                                   plain("mmap", mmap_at), plain("free", free_at)});
  const std::size_t without = plan_probes(allocator).heap_functions.size();
  // test edi, edi; je +1; ret; push rax; call +0; ret; and what belongs to the next function
  allocator.jump_targets[body_at] = {0x85, 0xff, 0x74, 0x01, 0xc3, 0x50, 0xe8,
                                     0x00, 0x00, 0x00, 0x00, 0xc3, 0x90, 0xc3};
  const std::vector<CodeRange> ranges = plan_probes(allocator).heap_functions;
  REQUIRE(ranges.size() == without + 1);
  CHECK(std::any_of(ranges.begin(), ranges.end(), [](const CodeRange& range) {
    return range.begin == body_at && range.end == body_at + 12;
  }));
}

TEST_CASE("a file without heap functions has no such ranges", "[plan]") {
  const ProbePlan plan = plan_of({plain("mmap", mmap_at)});
  CHECK(plan.probes.size() == 1);
  CHECK(plan.heap_functions.empty());
}

TEST_CASE("a plan tells what its file is", "[plan]") {
  Allocator allocator;
  allocator.file.path = "/lib/libc.so.6";
  allocator.is_glibc = true;
  allocator.mappings_hook = 0x1234;
  const ProbePlan plan = plan_probes(allocator);
  CHECK(plan.file.path == "/lib/libc.so.6");
  CHECK(plan.is_glibc);
  CHECK(plan.mappings_hook == 0x1234);
  CHECK(plan.probes.empty());
}

} // namespace
} // namespace leakbpf
