// SPDX-License-Identifier: Apache-2.0
// Blocks that come and go from many call sites beside what a test looks for.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <latch>
#include <random>
#include <stop_token>
#include <thread>
#include <utility>

#include <unistd.h>

using Random = std::mt19937;

inline double share(Random& random) {
  return static_cast<double>(random()) / (static_cast<double>(Random::max()) + 1);
}

inline std::size_t index_below(std::size_t end, Random& random) {
  return static_cast<std::size_t>(share(random) * static_cast<double>(end));
}

using Allocate = char* (*)(std::size_t);

/// All of it, so that the kernel must provide it.
inline char* touched(void* block, std::size_t size) {
  if (!block)
    _exit(9);
  std::memset(block, 1, size);
  return static_cast<char*>(block);
}

template <int Site> [[gnu::noinline]] char* churn(std::size_t size) {
  return touched(std::malloc(size), size);
}

template <int... Sites>
constexpr std::array<Allocate, sizeof...(Sites)>
churn_functions(std::integer_sequence<int, Sites...> /*unused*/) {
  return {churn<Sites>...};
}

constexpr auto churn_sites = churn_functions(std::make_integer_sequence<int, 50>{});

/// As many of 16 to 32 bytes as of 32 to 64 KB.
inline std::size_t size_by_logarithm(Random& random) {
  return static_cast<std::size_t>(16 * std::exp2(12 * share(random)));
}

class Churn {
public:
  explicit Churn(unsigned seed) : random_(seed) {}

  void replace(int blocks) {
    for (int i = 0; i < blocks; i++) {
      char*& slot = slots_[index_below(slots_.size(), random_)];
      std::free(slot);
      slot = churn_sites[index_below(churn_sites.size(), random_)](size_by_logarithm(random_));
    }
  }

private:
  Random random_;
  std::array<char*, 1024> slots_{}; // of 7.9 KB on average
};

/// Replaces each block many times over, until the heap has the holes that it will have, counts
/// `settled` down and goes on at its pace.
inline void keep_churning(const std::stop_token& stop, unsigned seed, std::latch& settled) {
  constexpr int until_settled = 200'000;
  constexpr int at_once = 30;
  constexpr std::chrono::milliseconds pause{10};
  using Clock = std::chrono::steady_clock;
  Churn churn(seed);
  churn.replace(until_settled);
  settled.count_down();
  for (auto next = Clock::now(); !stop.stop_requested();) {
    churn.replace(at_once);
    next = std::max(next + pause, Clock::now()); // what was missed is not made up for at once
    std::this_thread::sleep_until(next);
  }
}
