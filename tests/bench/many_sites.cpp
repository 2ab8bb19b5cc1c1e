// SPDX-License-Identifier: Apache-2.0
// many_sites [SITES]: allocates from 5,000 (at most 16,384) different call stacks: leaks 2,500
// small blocks a second, at one after the other, and takes and gives back others meanwhile, 10,000
// times a second.
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include <time.h>

namespace {

constexpr unsigned usual_sites = 5000;
constexpr int levels = 14; // 2^14 paths through two functions
constexpr long tick_ns = 10'000'000;
constexpr unsigned leaks_per_tick = 25;
constexpr unsigned churns_per_tick = 100;

void* step(unsigned long path, int level);

/// Keeps the call that made `block` from being the caller's last action.
void* keep(void* block) {
  asm volatile("" : "+r"(block) : : "memory");
  return block;
}

[[gnu::noinline]] void* left(unsigned long path, int level) {
  return keep(step(path, level));
}

[[gnu::noinline]] void* right(unsigned long path, int level) {
  return keep(step(path, level));
}

/// Bit `level` - 1 of `path` says which way to go.
[[gnu::always_inline]] inline void* step(unsigned long path, int level) {
  if (level == 0)
    return std::malloc(32);
  const bool turn = (path >> (level - 1) & 1) != 0;
  return turn ? right(path, level - 1) : left(path, level - 1);
}

void* allocate_at(unsigned long site) {
  void* block = step(site, levels);
  if (!block)
    std::exit(1);
  return block;
}

} // namespace

int main(int argc, char** argv) {
  const unsigned long sites = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : usual_sites;
  if (sites == 0 || sites > 1UL << levels)
    return 1;
  std::printf("ready\n");
  std::fflush(stdout);
  timespec due{};
  clock_gettime(CLOCK_MONOTONIC, &due);
  unsigned long leaking = 0;
  unsigned long churning = 0;
  for (;;) {
    for (unsigned i = 0; i < leaks_per_tick; i++)
      keep(allocate_at(leaking++ % sites));
    for (unsigned i = 0; i < churns_per_tick; i++)
      std::free(allocate_at(churning++ % sites));
    due.tv_nsec += tick_ns;
    if (due.tv_nsec >= 1'000'000'000) {
      due.tv_nsec -= 1'000'000'000;
      due.tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr);
  }
}
