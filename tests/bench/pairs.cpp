// SPDX-License-Identifier: Apache-2.0
// Takes and gives back a block as fast as it can, three functions deep. After each quarter of a
// second it prints the nanoseconds that a pair of malloc and free took: `pairs [THREADS]`.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds window{250};
constexpr int batch = 64; // pairs between two looks at the clock

/// The compiler must believe that `value` is used, and that memory was changed.
void use(void* value) {
  asm volatile("" : : "r"(value) : "memory");
}

[[gnu::noinline]] void* inner() {
  void* block = std::malloc(64);
  use(block);
  return block;
}

[[gnu::noinline]] void* middle() {
  void* block = inner();
  use(block);
  return block;
}

[[gnu::noinline]] void outer() {
  void* block = middle();
  use(block);
  std::free(block);
}

double measure_window() {
  const auto start = Clock::now();
  long pairs = 0;
  Clock::duration elapsed{};
  do {
    for (int i = 0; i < batch; i++)
      outer();
    pairs += batch;
    elapsed = Clock::now() - start;
  } while (elapsed < window);
  return std::chrono::duration<double, std::nano>(elapsed).count() / static_cast<double>(pairs);
}

/// stdio's own blocks are taken once, before the first window.
void report_windows() {
  static std::mutex printing;
  for (;;) {
    const double nanoseconds = measure_window();
    const std::lock_guard guard(printing);
    std::printf("%.2f\n", nanoseconds);
    std::fflush(stdout);
  }
}

} // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::max(1, std::atoi(argv[1])) : 1;
  std::vector<std::thread> others;
  for (int i = 1; i < threads; i++)
    others.emplace_back(report_windows);
  report_windows();
}
