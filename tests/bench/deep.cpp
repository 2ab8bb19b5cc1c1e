// SPDX-License-Identifier: Apache-2.0
// Takes blocks from a stack of so many frames, without frame pointers, as distributions build:
// `deep FRAMES [cold]`, at most 64. With `cold` it maps code before each block, so that everything
// a tracer remembers of the stack's code may be out of date. Ends when it is killed.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

namespace {

/// The compiler must believe that `value` is used, and that memory was changed.
void use(void* value) {
  asm volatile("" : : "r"(value) : "memory");
}

constexpr int most_frames = 64;

/// Frames of some size, as real ones are, each with code of its own.
template <int Level> [[gnu::noinline]] void* descend(int frames) {
  char local[72];
  use(local);
  void* block = nullptr;
  if constexpr (Level < most_frames)
    block = frames > 1 ? descend<Level + 1>(frames - 1) : std::malloc(64);
  use(block);
  return block;
}

void map_some_code(int file) {
  void* code = mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  if (code != MAP_FAILED)
    munmap(code, 4096);
}

} // namespace

int main(int argc, char** argv) {
  const int frames = argc > 1 ? std::atoi(argv[1]) : 20;
  const bool cold = argc > 2 && std::strcmp(argv[2], "cold") == 0;
  const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  for (;;) {
    if (cold)
      map_some_code(file);
    std::free(descend<0>(frames));
    const timespec pause{0, 20'000};
    nanosleep(&pause, nullptr);
  }
}
