// SPDX-License-Identifier: Apache-2.0
// A loop of malloc and free that can be made larger in three ways: `scaled_pairs LIVE SITES THREADS
// [SECONDS]`. Says "ready" and waits for SIGUSR1, so that a tracer can attach first; then takes
// LIVE blocks of 16 bytes that it keeps, or as many as it can take in so many seconds, and loops
// over SITES different call stacks until it is killed. When it has been to each it says "built
// BLOCKS", the number of those that it keeps.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr int levels = 17; // 2^17 paths through two functions; always so many frames
constexpr std::size_t block_bytes = 16;

void* step(unsigned path, int level);

/// Keeps the call that made `block` from being the caller's last action.
void* keep(void* block) {
  asm volatile("" : "+r"(block) : : "memory");
  return block;
}

[[gnu::noinline]] void* left(unsigned path, int level) {
  return keep(step(path, level));
}

[[gnu::noinline]] void* right(unsigned path, int level) {
  return keep(step(path, level));
}

/// Bit `level` - 1 of `path` says which way to go.
[[gnu::always_inline]] inline void* step(unsigned path, int level) {
  if (level == 0)
    return std::malloc(block_bytes);
  const bool turn = (path >> (level - 1) & 1) != 0;
  return turn ? right(path, level - 1) : left(path, level - 1);
}

[[gnu::noinline]] void* allocate_at(unsigned site) {
  void* block = step(site, levels);
  if (!block)
    std::exit(1);
  return block;
}

struct Scale {
  std::size_t live = 0;
  unsigned sites = 1;
  unsigned threads = 1;
  double seconds = 1e9; // to take `live` blocks
};

/// The number of blocks that it took in time; all at one place, which is not one of the sites.
std::size_t build(const Scale& scale) {
  const auto start = Clock::now();
  std::size_t taken = 0;
  for (; taken < scale.live; taken++) {
    keep(allocate_at(0));
    if (taken % 1024 == 0 &&
        std::chrono::duration<double>(Clock::now() - start).count() > scale.seconds)
      break;
  }
  return taken;
}

/// Each thread begins elsewhere among the sites. The first says when it has been to all of them.
[[noreturn]] void loop(const Scale& scale, unsigned number, std::size_t built) {
  unsigned site = scale.sites / scale.threads * number;
  for (std::size_t visited = 1;; visited++) {
    std::free(allocate_at(site++ % scale.sites));
    if (visited == scale.sites && number == 0) {
      std::printf("built %zu\n", built);
      std::fflush(stdout);
    }
  }
}

void wait_for_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  std::printf("ready\n");
  std::fflush(stdout);
  int received = 0;
  sigwait(&signals, &received);
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: scaled_pairs LIVE SITES THREADS [SECONDS]\n");
    return 2;
  }
  Scale scale;
  scale.live = std::strtoul(argv[1], nullptr, 10);
  scale.sites = static_cast<unsigned>(std::clamp(std::atoi(argv[2]), 1, 1 << levels));
  scale.threads = static_cast<unsigned>(std::max(1, std::atoi(argv[3])));
  if (argc > 4)
    scale.seconds = std::atof(argv[4]);
  wait_for_signal();
  const std::size_t built = build(scale);
  std::vector<std::thread> others;
  for (unsigned number = 1; number < scale.threads; number++)
    others.emplace_back(loop, scale, number, built);
  loop(scale, 0, built);
}
