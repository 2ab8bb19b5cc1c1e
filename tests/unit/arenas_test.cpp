// SPDX-License-Identifier: Apache-2.0
// Python's arenas, pools and the functions that take them, found in code and read from memory.
#include "fake_memory.h"
#include "python/arenas.h"
#include "python/evaluation_code.h"

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

constexpr std::uint32_t pool_bytes = 16384;
constexpr std::uint64_t state = 0x10000;
constexpr std::uint64_t objects = 0x20000;
constexpr std::uint64_t first_arena = 0x1000000;

void put_arena(FakeMemory& memory, std::uint64_t index, std::uint64_t address,
               std::uint64_t next_pool, std::uint32_t free_pools, std::uint32_t all_pools) {
  const std::uint64_t at = objects + index * 48;
  memory.fill(at, 48);
  memory.put(at, address);
  memory.put(at + 8, next_pool);
  memory.put(at + 16, free_pools);
  memory.put(at + 20, all_pools);
}

void put_pool(FakeMemory& memory, std::uint64_t address, std::uint32_t used,
              std::uint32_t size_class) {
  memory.fill(address, 48);
  memory.put(address, used);
  memory.put(address + 36, size_class);
}

void put_heap(FakeMemory& memory) {
  memory.put(state + 512, objects);
  memory.put<std::uint32_t>(state + 520, 3);
  put_arena(memory, 0, first_arena, first_arena + 3 * pool_bytes, 61, 64);
  put_arena(memory, 1, 0, 0, 0, 0);                                               // not taken
  put_arena(memory, 2, first_arena + (4 << 20), first_arena + (4 << 20), 64, 64); // untouched
  put_pool(memory, first_arena, 100, 3);                                          // of 64 bytes
  put_pool(memory, first_arena + pool_bytes, 0, 7);                               // empty
  put_pool(memory, first_arena + 2 * pool_bytes, 10, 31);                         // of 512 bytes
}

TEST_CASE("what Python's small objects take", "[python]") {
  FakeMemory memory;
  put_heap(memory);
  const ArenaList list = arena_list_of(state, pool_bytes);
  CHECK(read_small_objects(memory, list) ==
        SmallObjectHeap{2, 2 << 20, 2, 2 * pool_bytes, 110, 100 * 64 + 10 * 512});
  SECTION("a list of which nothing tells how long it is, as up to 3.11") {
    memory.put<std::uint64_t>(objects - 8, 3 * 48 + 16 + 1); // malloc's size and marks
    const ArenaList old{state + 512, std::nullopt, pool_bytes, 1 << 20};
    CHECK(read_small_objects(memory, old)->arenas == 2);
  }
  SECTION("no arenas yet") {
    memory.put<std::uint64_t>(state + 512, 0);
    CHECK(read_small_objects(memory, list) == SmallObjectHeap{});
  }
  SECTION("a list that makes no sense") {
    put_arena(memory, 2, first_arena, first_arena + (2 << 20), 0, 64);
    CHECK_FALSE(read_small_objects(memory, list));
    put_arena(memory, 2, first_arena, first_arena, 65, 64);
    CHECK_FALSE(read_small_objects(memory, list));
    memory.put<std::uint32_t>(state + 520, 0xffffffff);
    CHECK_FALSE(read_small_objects(memory, list));
    memory.drop(state + 512, 8);
    CHECK_FALSE(read_small_objects(memory, list));
  }
}

TEST_CASE("the list of arenas is found in the code that numbers them", "[python]") {
  const PoolFunction function{0x4fb620,
                              {0x48, 0x89, 0xda,                         // mov %rbx,%rdx
                               0x48, 0x2b, 0x15, 0xfe, 0x8f, 0x5c, 0x00, // sub 0x5c8ffe(%rip),%rdx
                               0x48, 0x8b, 0x43, 0x08,                   // mov 0x8(%rbx),%rax
                               0x48, 0xbe, 0xab, 0xaa, 0xaa, 0xaa, 0xaa,
                               0xaa, 0xaa, 0xaa}, // movabs $0xaa...ab,%rsi
                              pool_bytes};
  const auto list = find_arena_list({3, 11}, function, 0x1000);
  REQUIRE(list);
  CHECK(list->pointer_at == 0x1000 + 0xac4628);
  CHECK(list->bytes_of_arena == 1 << 20);
  CHECK_FALSE(find_arena_list({3, 12}, function, 0)); // it has one for each interpreter
  CHECK_FALSE(find_arena_list({3, 11}, {0, {0x90, 0xc3}, pool_bytes}, 0));
}

TEST_CASE("rules of an interpreter's code are marked", "[python]") {
  UnwindTable table;
  leakbpf_unwind_rule plain{};
  plain.cfa = LEAKBPF_CFA_REGISTER;
  plain.cfa_register = LEAKBPF_REGISTER_SP;
  table.rules = {{}, plain};
  table.rows = {{100, 1}, {500, 0}, {510, 1}, {900, 0}};
  mark_interpreter(table, 200, 600, LEAKBPF_INTERPRETER_PYTHON);
  const auto whose = [&](std::uint64_t offset) { return table.rule_at(offset).interpreter; };
  CHECK(whose(150) == LEAKBPF_INTERPRETER_NONE);
  CHECK(whose(200) == LEAKBPF_INTERPRETER_PYTHON);
  CHECK(whose(499) == LEAKBPF_INTERPRETER_PYTHON);
  CHECK(whose(505) == LEAKBPF_INTERPRETER_NONE); // no rule there
  CHECK(whose(510) == LEAKBPF_INTERPRETER_PYTHON);
  CHECK(whose(599) == LEAKBPF_INTERPRETER_PYTHON);
  CHECK(whose(600) == LEAKBPF_INTERPRETER_NONE);
  CHECK(whose(899) == LEAKBPF_INTERPRETER_NONE);
  CHECK(table.rule_at(899).cfa == LEAKBPF_CFA_REGISTER);
  CHECK(table.rule_at(599).cfa_register == LEAKBPF_REGISTER_SP);
}

} // namespace
} // namespace leakbpf
