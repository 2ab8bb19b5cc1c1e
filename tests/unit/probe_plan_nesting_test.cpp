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

AllocatorFunction function(const std::string& name, std::uint64_t file_offset, Code code) {
  const AllocationFunction* const known = find_allocation_function(name);
  REQUIRE(known);
  return {known, name, file_offset, std::move(code)};
}

AllocatorFunction plain(const std::string& name, std::uint64_t file_offset) {
  return function(name, file_offset, code_at(file_offset));
}

ProbePlan plan_of(std::vector<AllocatorFunction> functions) {
  Allocator allocator;
  allocator.file.path = "/lib/heap.so";
  allocator.functions = std::move(functions);
  return plan_probes(allocator);
}

const PlannedProbe* find(const ProbePlan& plan, const std::string& symbol) {
  const auto found =
      std::find_if(plan.probes.begin(), plan.probes.end(),
                   [&](const PlannedProbe& probe) { return probe.symbol == symbol; });
  return found == plan.probes.end() ? nullptr : &*found;
}

bool nests(const ProbePlan& plan, const std::string& symbol) {
  const PlannedProbe* const probe = find(plan, symbol);
  REQUIRE(probe);
  // Else the cookie is the function's.
  CHECK((probe->cookie | LEAKBPF_COOKIE_NESTS) == (probe->function->cookie | LEAKBPF_COOKIE_NESTS));
  return (probe->cookie & LEAKBPF_COOKIE_NESTS) != 0;
}

TEST_CASE("functions that call no other do not nest", "[plan]") {
  const ProbePlan plan = plan_of({plain("malloc", malloc_at), plain("calloc", calloc_at),
                                  plain("realloc", realloc_at), plain("free", free_at)});
  CHECK(plan.probes.size() == 4);
  for (const char* const symbol : {"malloc", "calloc", "realloc", "free"}) {
    CAPTURE(symbol);
    CHECK_FALSE(nests(plan, symbol));
  }
  CHECK(find(plan, "malloc")->file_offset == malloc_at + find(plan, "malloc")->point.offset);
}

TEST_CASE("a realloc that goes to malloc nests", "[plan]") {
  for (const std::uint8_t opcode : {call_near, jump_near}) {
    CAPTURE(opcode);
    // Forwards and backwards, whatever comes first in the list.
    for (const std::uint64_t from : {realloc_at, malloc_at - 0x2000}) {
      const AllocatorFunction realloc = function("realloc", from, code_at(from, opcode, malloc_at));
      for (const ProbePlan& plan : {plan_of({plain("malloc", malloc_at), realloc}),
                                    plan_of({realloc, plain("malloc", malloc_at)})}) {
        CHECK(plan.probes.size() == 2);
        CHECK(nests(plan, "realloc"));
        CHECK_FALSE(nests(plan, "malloc"));
      }
    }
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
  const auto realloc_to = [](std::uint64_t to) {
    return function("realloc", realloc_at, code_at(realloc_at, call_near, to));
  };
  CHECK_FALSE(nests(plan_of({plain("malloc", malloc_at), realloc_to(malloc_at + 1)}), "realloc"));
  CHECK_FALSE(nests(plan_of({plain("malloc", malloc_at), realloc_to(malloc_at - 1)}), "realloc"));
  CHECK_FALSE(nests(plan_of({plain("free", free_at), realloc_to(free_at)}), "realloc"));
  CHECK_FALSE(nests(plan_of({plain("mmap", mmap_at), realloc_to(mmap_at)}), "realloc"));
  CHECK_FALSE(nests(plan_of({realloc_to(realloc_at)}), "realloc")); // itself
  // Not in this file's list at all.
  CHECK_FALSE(nests(plan_of({plain("calloc", calloc_at), realloc_to(malloc_at)}), "realloc"));
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
  Code cut = code_at(realloc_at, call_near, malloc_at);
  cut.pop_back();
  cut.pop_back(); // the last byte of the distance
  CHECK_FALSE(nests(plan_of({plain("malloc", malloc_at), function("realloc", realloc_at, cut)}),
                    "realloc"));
  Code last = code_at(realloc_at, call_near, malloc_at);
  last.pop_back(); // the call is the last instruction
  CHECK(nests(plan_of({plain("malloc", malloc_at), function("realloc", realloc_at, last)}),
              "realloc"));
  CHECK_FALSE(
      nests(plan_of({plain("malloc", malloc_at), function("realloc", realloc_at, {})}), "realloc"));
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
      plan_of({plain("realloc", realloc_at), plain("reallocarray", reallocarray_at)});
  CHECK(plan.probes.size() == 2);
  CHECK_FALSE(nests(plan, "reallocarray"));
  const ProbePlan by_malloc = plan_of(
      {plain("malloc", malloc_at), plain("realloc", realloc_at),
       function("reallocarray", reallocarray_at, code_at(reallocarray_at, call_near, malloc_at))});
  CHECK(by_malloc.probes.size() == 3);
  CHECK(nests(by_malloc, "reallocarray"));
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
