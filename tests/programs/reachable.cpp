// SPDX-License-Identifier: Apache-2.0
// Takes blocks that stay outstanding: some that nobody has a pointer to any more, and some that are
// held, in one way for each function: 200 of each a second, until it is killed.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <alloca.h>
#include <unistd.h>

namespace {

constexpr std::size_t block_bytes = 3000;
constexpr std::size_t most = 1 << 16;

struct Link {
  Link* next;
  char rest[block_bytes];
};

void* table[most];
Link* chain;

[[gnu::noinline]] void* take() {
  void* block = std::malloc(block_bytes);
  std::memset(block, 1, block_bytes);
  return block;
}

[[gnu::noinline]] void lose() {
  [[maybe_unused]] void* volatile block = take();
  block = nullptr;
}

[[gnu::noinline]] void put_into_table(std::size_t number) {
  table[number % most] = take();
}

[[gnu::noinline]] void put_into_chain() {
  Link* link = static_cast<Link*>(std::malloc(sizeof(Link)));
  std::memset(link, 0, sizeof(*link));
  link->next = chain;
  chain = link;
}

[[gnu::noinline]] void keep_in_frame(void** frame, std::size_t number) {
  frame[number % most] = take();
}

/// What calls left on the stack below must not look like pointers.
[[gnu::noinline]] void wipe_stack() {
  volatile char bytes[8192];
  for (volatile char& byte : bytes)
    byte = 0;
}

} // namespace

int main() {
  static_assert(sizeof(void*) == 8);
  void** const frame = static_cast<void**>(alloca(most * sizeof(void*)));
  std::memset(frame, 0, most * sizeof(void*));
  std::puts("ready");
  std::fflush(stdout);
  for (std::size_t number = 0; number < most; number++) {
    for (int i = 0; i < 4; i++) {
      lose();
      put_into_table(number * 4 + static_cast<std::size_t>(i));
      put_into_chain();
      keep_in_frame(frame, number * 4 + static_cast<std::size_t>(i));
    }
    wipe_stack();
    usleep(20000);
  }
  std::printf("%p\n", table[0]);
}
