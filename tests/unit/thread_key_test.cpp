// SPDX-License-Identifier: Apache-2.0
// The forms that PyGILState_GetThisThreadState is compiled to, and some that it is not.
#include "fake_memory.h"
#include "python/code_follower.h"
#include "python/thread_key.h"

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

using Code = std::vector<std::uint8_t>;
constexpr std::uint64_t here = 0x401000;

TEST_CASE("the key itself is loaded, as by Debian's static build", "[python]") {
  const FakeMemory memory;
  const Code code{0x48, 0x83, 0x3d, 0x10, 0x20, 0x00, 0x00, 0x00, // cmpq $0,0x2010(%rip)
                  0x74, 0x0b,                                     // je
                  0x8b, 0x3d, 0x14, 0x20, 0x00, 0x00,             // mov 0x2014(%rip),%edi
                  0xe9, 0x00, 0x10, 0x00, 0x00};                  // jmp pthread_getspecific
  const auto place = find_thread_key(code, here, memory);
  REQUIRE(place);
  CHECK(place->is_key);
  CHECK(place->address == here + 16 + 0x2014);
}

TEST_CASE("a pointer to the key's record is handed on, as by shared libraries", "[python]") {
  FakeMemory memory;
  memory.put<std::uint64_t>(here + 7 + 0x3000, 0x7000); // the global offset table's _PyRuntime
  SECTION("3.8 to 3.11") {
    const Code code{0x48, 0x8b, 0x05, 0x00, 0x30, 0x00, 0x00,       // mov 0x3000(%rip),%rax
                    0x48, 0x83, 0xb8, 0x40, 0x02, 0x00, 0x00, 0x00, // cmpq $0,0x240(%rax)
                    0x74, 0x0c,                                     // je
                    0x48, 0x8d, 0xb8, 0x48, 0x02, 0x00, 0x00,       // lea 0x248(%rax),%rdi
                    0xe9, 0x00, 0x10, 0x00, 0x00};                  // jmp PyThread_tss_get
    const auto place = find_thread_key(code, here, memory);
    REQUIRE(place);
    CHECK_FALSE(place->is_key);
    CHECK(place->address == 0x7248);
  }
  SECTION("3.12 and later") {
    const Code code{0x48, 0x8b, 0x05, 0x00, 0x30, 0x00, 0x00, // mov 0x3000(%rip),%rax
                    0x53,                                     // push %rbx
                    0x48, 0x8d, 0x98, 0x08, 0x06, 0x00, 0x00, // lea 0x608(%rax),%rbx
                    0x48, 0x89, 0xdf,                         // mov %rbx,%rdi
                    0xe8, 0x00, 0x10, 0x00, 0x00};            // call PyThread_tss_is_created
    const auto place = find_thread_key(code, here, memory);
    REQUIRE(place);
    CHECK(place->address == 0x7608);
  }
}

TEST_CASE("other code is not understood", "[python]") {
  const FakeMemory memory;
  CHECK_FALSE(find_thread_key({}, here, memory));
  CHECK_FALSE(find_thread_key(Code{0xc3}, here, memory));                         // ret
  CHECK_FALSE(find_thread_key(Code{0xe9, 0x00, 0x10, 0x00, 0x00}, here, memory)); // jmp
  CHECK_FALSE(find_thread_key(Code{0x06, 0x06}, here, memory));                   // no instruction
  const Code from_unknown{0x48, 0x8d, 0x78, 0x10,        // lea 0x10(%rax),%rdi
                          0xe9, 0x00, 0x10, 0x00, 0x00}; // jmp
  CHECK_FALSE(find_thread_key(from_unknown, here, memory));
  const Code control_register{0x44, 0x0f, 0x20, 0xc7,        // mov %cr8,%rdi
                              0xe9, 0x00, 0x10, 0x00, 0x00}; // jmp
  CHECK_FALSE(find_thread_key(control_register, here, memory));
  const Code short_address{0x67, 0x8b, 0x3d, 0x00, 0x10, 0x00, 0x00, // mov 0x1000(%eip),%edi
                           0xe9, 0x00, 0x10, 0x00, 0x00};            // jmp
  CHECK_FALSE(find_thread_key(short_address, here, memory));
}

TEST_CASE("the key is read only once it is there", "[python]") {
  FakeMemory memory;
  memory.put<std::uint32_t>(0x7000, 0);
  memory.put<std::uint32_t>(0x7004, 5);
  CHECK_FALSE(read_thread_key({0x7000, false}, memory));
  CHECK_FALSE(read_thread_key({0x7004, true}, memory));
  memory.put<std::uint32_t>(0x7000, 1);
  CHECK(read_thread_key({0x7000, false}, memory) == 5);
  CHECK(read_thread_key({0x7004, true}, memory) == 5);
  memory.put<std::uint32_t>(0x7004, 123456);
  CHECK_FALSE(read_thread_key({0x7000, false}, memory));
  CHECK_FALSE(read_thread_key({0x9000, false}, memory));
}

TEST_CASE("where the state stands that holds the lock", "[python]") {
  CHECK(current_state_address({0x7018, false}, {3, 11}) == 0x7008);
  CHECK(current_state_address({0x701c, true}, {3, 11}) == 0x7008);
  CHECK(current_state_address({0x7020, false}, {3, 8}) == 0x7008);
  CHECK(current_state_address({0x7018, false}, {3, 12}) == 0);
}

TEST_CASE("the way from the thread pointer to a key's value", "[python]") {
  leakbpf_python walk{};
  set_thread_place(LibcKind::glibc, 2, walk);
  CHECK(walk.thread_first == 0x310 + 2 * 16 + 8);
  CHECK(walk.thread_second == LEAKBPF_PYTHON_NO_OFFSET);
  set_thread_place(LibcKind::glibc, 70, walk);
  CHECK(walk.thread_first == 0x510 + 8 * 2);
  CHECK(walk.thread_second == 6 * 16 + 8);
  set_thread_place(LibcKind::musl, 3, walk);
  CHECK(walk.thread_first == 128);
  CHECK(walk.thread_second == 24);
}

TEST_CASE("a jump through a pointer is followed", "[python]") {
  FakeMemory memory;
  memory.put<std::uint64_t>(here + 12 + 0x100, 0x456789);
  const Code code{0x48, 0x89, 0xfe,                    // mov %rdi,%rsi
                  0x48, 0x85, 0xff,                    // test %rdi,%rdi
                  0xff, 0x25, 0x00, 0x01, 0x00, 0x00}; // jmp *0x100(%rip)
  CHECK(follow_to_jump(code, here, memory) == 0x456789);
  memory.drop(here + 12 + 0x100, 8);
  CHECK_FALSE(follow_to_jump(code, here, memory));
}

} // namespace
} // namespace leakbpf
