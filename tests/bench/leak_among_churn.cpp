// SPDX-License-Identifier: Apache-2.0
// One leak among 100 call stacks that churn: `leak_among_churn [ALLOCATIONS_PER_SECOND [SEED]]`.
// The churn takes blocks of 16 bytes to 4 KB and gives each back within a second at most; beside it
// leak_here() loses blocks of 256 bytes to 2 KB, 5 MiB a minute, steadily. On SIGTERM it writes its
// ledger: the bytes it has lost, the seconds that took, and the blocks that the churn has taken
// meanwhile, as "leaked BYTES SECONDS BLOCKS".
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Random = std::mt19937;
constexpr int sites = 100;
constexpr double leak_bytes_per_second = 5.0 * 1024 * 1024 / 60;
constexpr std::chrono::milliseconds tick{1};

volatile std::sig_atomic_t ending = 0;

/// All of it is written, so that the kernel must provide it.
void* touched(void* block, std::size_t size) {
  if (!block)
    std::abort();
  return std::memset(block, 1, size);
}

/// A caller of its own for each site, and one more frame for some.
template <int Site> [[gnu::noipa]] void* churn(std::size_t size) {
  return touched(std::malloc(size), size);
}

template <int Site> [[gnu::noipa]] void* churn_deeper(std::size_t size) {
  return touched(churn<Site>(size), 1);
}

[[gnu::noipa]] void* leak_here(std::size_t size) {
  return touched(std::malloc(size), size);
}

using Allocate = void* (*)(std::size_t);

template <int... Sites>
constexpr std::array<Allocate, sizeof...(Sites)>
churn_functions(std::integer_sequence<int, Sites...> /*unused*/) {
  return {(Sites % 2 ? churn<Sites> : churn_deeper<Sites>)...};
}

constexpr auto churns = churn_functions(std::make_integer_sequence<int, sites>{});

std::size_t between(std::size_t low, std::size_t high, Random& random) {
  return std::uniform_int_distribution<std::size_t>(low, high)(random);
}

/// As many of 16 to 32 bytes as of 2 to 4 KB.
std::size_t churn_size(Random& random) {
  return static_cast<std::size_t>(16 * std::exp2(std::uniform_real_distribution<>(0, 8)(random)));
}

/// The blocks of one site: each new one takes the place of the oldest.
class Churn {
public:
  Churn(Allocate allocate, std::size_t slots) : allocate_(allocate), blocks_(slots) {}

  void turn(Random& random) {
    void*& block = blocks_[next_++ % blocks_.size()];
    std::free(block);
    block = allocate_(churn_size(random));
  }

private:
  Allocate allocate_;
  std::vector<void*> blocks_;
  std::size_t next_ = 0;
};

class Leak {
public:
  /// What is due by now.
  void catch_up(double seconds, Random& random) {
    while (static_cast<double>(leaked_) < seconds * leak_bytes_per_second) {
      const std::size_t size = between(256, 2048, random);
      asm volatile("" : : "r"(leak_here(size)) : "memory");
      leaked_ += size;
    }
  }
  [[nodiscard]] std::size_t leaked() const { return leaked_; }

private:
  std::size_t leaked_ = 0;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// At most a tenth of a second's work at once: a program that was stopped does not run after what
/// it missed. The leak is by the clock, however slow the churn is.
void run(double allocations_per_second, Random& random) {
  const auto most_slots = static_cast<std::size_t>(
      std::max(2.0, allocations_per_second / sites / 2)); // a lifetime of half a second
  std::vector<Churn> all;
  all.reserve(sites);
  for (const Allocate allocate : churns)
    all.emplace_back(allocate, between(1, most_slots, random));
  Leak leak;
  const auto start = Clock::now();
  double done = 0; // or not done, and given up
  std::size_t churned = 0;
  while (!ending) {
    const double now = seconds_since(start);
    leak.catch_up(now, random);
    done = std::max(done, (now - 0.1) * allocations_per_second);
    for (; done < now * allocations_per_second; done++, churned++)
      all[between(0, sites - 1, random)].turn(random);
    std::this_thread::sleep_for(tick);
  }
  std::printf("leaked %zu %.3f %zu\n", leak.leaked(), seconds_since(start), churned);
}

} // namespace

int main(int argc, char** argv) {
  const double rate = argc > 1 ? std::atof(argv[1]) : 50000;
  Random random(argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : 1);
  std::signal(SIGTERM, [](int) { ending = 1; });
  std::printf("ready\n");
  std::fflush(stdout);
  run(rate, random);
}
