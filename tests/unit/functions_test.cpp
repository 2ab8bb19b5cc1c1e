// SPDX-License-Identifier: Apache-2.0
#include "plan/functions.h"

#include <set>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

constexpr unsigned kNone = LEAKBPF_NO_ARGUMENT;

struct Expected {
  std::string_view name;
  leakbpf_operation operation;
  unsigned size;
  unsigned count;
  unsigned pointer;
  bool in_memory;
};

// Which argument is what, from the functions' own manuals.
const std::vector<Expected> kHeap{
    {"malloc", LEAKBPF_OP_ALLOCATE, 0, kNone, kNone, false},
    {"calloc", LEAKBPF_OP_ALLOCATE, 1, 0, kNone, false},
    {"realloc", LEAKBPF_OP_REALLOCATE, 1, kNone, 0, false},
    {"reallocarray", LEAKBPF_OP_REALLOCATE, 1, 2, 0, false},
    {"free", LEAKBPF_OP_FREE, kNone, kNone, 0, false},
    {"cfree", LEAKBPF_OP_FREE, kNone, kNone, 0, false},
    {"posix_memalign", LEAKBPF_OP_ALLOCATE, 2, kNone, kNone, true},
    {"aligned_alloc", LEAKBPF_OP_ALLOCATE, 1, kNone, kNone, false},
    {"memalign", LEAKBPF_OP_ALLOCATE, 1, kNone, kNone, false},
    {"valloc", LEAKBPF_OP_ALLOCATE, 0, kNone, kNone, false},
    {"pvalloc", LEAKBPF_OP_ALLOCATE, 0, kNone, kNone, false},
    {"free_sized", LEAKBPF_OP_FREE, kNone, kNone, 0, false},
    {"free_aligned_sized", LEAKBPF_OP_FREE, kNone, kNone, 0, false},
    {"_Znwm", LEAKBPF_OP_ALLOCATE, 0, kNone, kNone, false},
    {"_ZnamSt11align_val_tRKSt9nothrow_t", LEAKBPF_OP_ALLOCATE, 0, kNone, kNone, false},
    {"_ZdlPvm", LEAKBPF_OP_FREE, kNone, kNone, 0, false},
    {"_ZdaPvmSt11align_val_t", LEAKBPF_OP_FREE, kNone, kNone, 0, false},
    {"mallocx", LEAKBPF_OP_ALLOCATE, 0, kNone, kNone, false},
    {"rallocx", LEAKBPF_OP_REALLOCATE, 1, kNone, 0, false},
    {"sdallocx", LEAKBPF_OP_FREE, kNone, kNone, 0, false},
    {"tc_new", LEAKBPF_OP_ALLOCATE, 0, kNone, kNone, false},
    {"mi_calloc_aligned", LEAKBPF_OP_ALLOCATE, 1, 0, kNone, false},
    {"mi_heap_malloc", LEAKBPF_OP_ALLOCATE, 1, kNone, kNone, false},
    {"mi_heap_calloc", LEAKBPF_OP_ALLOCATE, 2, 1, kNone, false},
    {"mi_heap_realloc", LEAKBPF_OP_REALLOCATE, 2, kNone, 1, false},
    {"mi_heap_recalloc", LEAKBPF_OP_REALLOCATE, 3, 2, 1, false},
};

/// The argument numbers that a cookie refers to, as a mask.
unsigned arguments_of(std::uint64_t cookie) {
  unsigned mask = 0;
  for (const unsigned argument : {LEAKBPF_COOKIE_SIZE_ARG(cookie), LEAKBPF_COOKIE_COUNT_ARG(cookie),
                                  LEAKBPF_COOKIE_POINTER_ARG(cookie)})
    mask |= argument == kNone ? 0U : 1U << argument;
  return mask | LEAKBPF_COOKIE_RESULT_IN_MEMORY(cookie);
}

// The two of the size and the count may change places: they are multiplied.
TEST_CASE("a cookie says what the function does with which argument", "[functions]") {
  for (const Expected& expected : kHeap) {
    CAPTURE(expected.name);
    const AllocationFunction* function = find_allocation_function(expected.name);
    REQUIRE(function);
    const std::uint64_t cookie = function->cookie;
    const std::multiset<unsigned> factors{LEAKBPF_COOKIE_SIZE_ARG(cookie),
                                          LEAKBPF_COOKIE_COUNT_ARG(cookie)};
    CHECK(function->operation == expected.operation);
    CHECK(factors == std::multiset<unsigned>{expected.size, expected.count});
    CHECK(LEAKBPF_COOKIE_POINTER_ARG(cookie) == expected.pointer);
    CHECK((LEAKBPF_COOKIE_RESULT_IN_MEMORY(cookie) == 1) == expected.in_memory);
    CHECK(function->arguments == arguments_of(cookie));
    CHECK(function->kind == LEAKBPF_KIND_HEAP);
  }
}

TEST_CASE("a cookie of a range function carries its operation alone", "[functions]") {
  for (const AllocationFunction& function : allocation_functions()) {
    if (function.kind == LEAKBPF_KIND_HEAP)
      continue;
    CAPTURE(function.name);
    CHECK(arguments_of(function.cookie) == 0);
    CHECK(LEAKBPF_COOKIE_RESULT_IN_MEMORY(function.cookie) == 0);
  }
}

TEST_CASE("every cookie's operation is the function's", "[functions]") {
  for (const AllocationFunction& function : allocation_functions()) {
    CAPTURE(function.name);
    CHECK(LEAKBPF_COOKIE_OPERATION(function.cookie) == function.operation);
    CHECK(function.probe_need().arguments == function.arguments);
  }
}

TEST_CASE("each part of a cookie is read back as it was put in", "[functions]") {
  for (unsigned operation = 1; operation <= LEAKBPF_OP_BRK; operation++)
    for (unsigned argument = 0; argument <= kNone; argument++) {
      const std::uint64_t cookie = LEAKBPF_COOKIE(operation, argument, kNone - argument,
                                                  (argument + 5) & kNone, argument & 1);
      CHECK(LEAKBPF_COOKIE_OPERATION(cookie) == operation);
      CHECK(LEAKBPF_COOKIE_SIZE_ARG(cookie) == argument);
      CHECK(LEAKBPF_COOKIE_COUNT_ARG(cookie) == kNone - argument);
      CHECK(LEAKBPF_COOKIE_POINTER_ARG(cookie) == ((argument + 5) & kNone));
      CHECK(LEAKBPF_COOKIE_RESULT_IN_MEMORY(cookie) == (argument & 1));
    }
}

TEST_CASE("every function has a name of its own and is found by it", "[functions]") {
  std::set<std::string_view> names;
  for (const AllocationFunction& function : allocation_functions()) {
    CHECK(names.insert(function.name).second);
    CHECK(find_allocation_function(function.name) == &function);
  }
  for (const std::string_view name : {"mmap", "mmap64", "munmap", "mremap", "brk", "sbrk"})
    CHECK(names.contains(name));
}

TEST_CASE("functions that call others are not probed", "[functions]") {
  for (const std::string_view name : {"", "strdup", "mallo", "malloc_usable_size", "zzz"})
    CHECK(find_allocation_function(name) == nullptr);
  // Placement new, and those for an arena of the program's own, take nothing from an allocator.
  for (const std::string_view name : {"_ZnwmPv", "_ZnamPv", "_ZnwmR5Arena"})
    CHECK(find_allocation_function(name) == nullptr);
}

TEST_CASE("allocators that are built for one program have names of their own", "[functions]") {
  for (const std::string_view prefix : {"je_", "_rjem_", "tc_", "mi_"})
    for (const std::string_view name : {"malloc", "calloc", "realloc", "free", "posix_memalign"}) {
      const std::string whole = std::string(prefix).append(name);
      CAPTURE(whole);
      CHECK(find_prefixed_function(whole) == find_allocation_function(name));
      CHECK(find_allocation_function(whole) == nullptr);
      CHECK(find_prefixed_function(name) == nullptr);
    }
  CHECK(find_prefixed_function("_rjem_sdallocx") == find_allocation_function("sdallocx"));
  CHECK(find_prefixed_function("mi_new") == find_allocation_function("mi_new"));
  CHECK(find_prefixed_function("je_mmap") == nullptr);
  CHECK(find_prefixed_function("je_arena_malloc_hard") == nullptr);
}

TEST_CASE("only free's return does not matter, and only for free null is nothing", "[functions]") {
  for (const AllocationFunction& function : allocation_functions()) {
    CAPTURE(function.name);
    CHECK(function.has_return() == (function.operation != LEAKBPF_OP_FREE));
    CHECK(function.probe_need().null_first_argument_may_skip == !function.has_return());
  }
}

} // namespace
} // namespace leakbpf
