// SPDX-License-Identifier: Apache-2.0
// A process whose memory follows a shape over time, for the tests of `leakbpf detect`.
//
//   shapes SHAPE --seconds N [--seed S] [--rate MB_PER_MINUTE] [--wait]
//
// Beside each shape a thread takes and frees 3,000 blocks a second from 50 call sites and holds
// about 8 MB. Says "ready PID" when that has settled; the shape begins then, or, with --wait, when
// a line comes on standard input. Times are fractions of N, so that a shape of a day fits a test;
// rates of leaks are not scaled (1 MB = 2^20 bytes). After N seconds the shape goes on by its
// formula. Ends when standard input is closed. The seed decides every size and every choice.
#include "churn.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <memory>
#include <new>
#include <numbers>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <malloc.h>
#include <poll.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kilobyte = 1024;
constexpr double megabyte = 1024.0 * 1024.0;

// ---- allocation sites ---------------------------------------------------------------------------

template <int Site> [[gnu::noinline]] char* session_buffer(std::size_t size) {
  return touched(std::malloc(size), size);
}

[[gnu::noinline]] char* remember_order(std::size_t size) {
  return touched(std::malloc(size), size);
}

[[gnu::noinline]] char* cache_entry(std::size_t size) {
  return touched(std::malloc(size), size);
}

[[gnu::noinline]] char* learn_word(std::size_t size) {
  return touched(std::malloc(size), size);
}

[[gnu::noinline]] char* work_buffer(std::size_t size) {
  return touched(std::malloc(size), size);
}

template <int... Sites>
constexpr std::array<Allocate, sizeof...(Sites)>
session_functions(std::integer_sequence<int, Sites...> /*unused*/) {
  return {session_buffer<Sites>...};
}

constexpr auto session_sites = session_functions(std::make_integer_sequence<int, 200>{});
constexpr std::size_t leaking_session_site = 137;

// ---- sizes --------------------------------------------------------------------------------------

struct Sizes {
  std::size_t smallest;
  std::size_t largest;
};

constexpr Sizes small_blocks{1 * kilobyte, 20 * kilobyte};
constexpr std::size_t own_mapping = 256 * kilobyte; ///< blocks of this size go back when freed
constexpr Sizes large_blocks{own_mapping, 2 * own_mapping};

std::size_t size_between(Sizes sizes, Random& random) {
  return sizes.smallest + index_below(sizes.largest - sizes.smallest + 1, random);
}

// ---- what the shapes hold -----------------------------------------------------------------------

/// Blocks, the oldest first, linked through themselves: holding them takes no other memory.
class Store {
public:
  void add(char* block, std::size_t size) {
    auto* added = new (block) Link{nullptr, size};
    (newest_ ? newest_->next : oldest_) = added;
    newest_ = added;
    bytes_ += size;
  }
  void drop_oldest() {
    Link* dropped = oldest_;
    oldest_ = dropped->next;
    if (!oldest_)
      newest_ = nullptr;
    bytes_ -= dropped->size;
    std::free(dropped);
  }
  [[nodiscard]] double bytes() const { return static_cast<double>(bytes_); }
  [[nodiscard]] double oldest_bytes() const {
    return oldest_ ? static_cast<double>(oldest_->size) : 0;
  }
  [[nodiscard]] bool empty() const { return !oldest_; }

private:
  struct Link {
    Link* next;
    std::size_t size;
  };
  Link* oldest_ = nullptr;
  Link* newest_ = nullptr;
  std::size_t bytes_ = 0;
};

struct Plan {
  double seconds = 60;
  double rate = 0; ///< bytes per second
  unsigned seed = 1;
};

class Memory {
public:
  Memory() = default;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  virtual ~Memory() = default;
  /// Brings it to what it is to be `seconds` after the beginning.
  virtual void step(double seconds) = 0;
};

using Level = double (*)(const Plan&, double seconds); ///< bytes held

/// Holds as much as a formula says.
class Following : public Memory {
public:
  Following(const Plan& plan, Level level, Allocate allocate, Sizes sizes)
      : plan_(plan), level_(level), allocate_(allocate), sizes_(sizes), random_(plan.seed) {}

  void step(double seconds) override {
    const double level = level_(plan_, seconds);
    while (held_.bytes() < level) {
      const std::size_t size = size_between(sizes_, random_);
      held_.add(allocate_(size), size);
    }
    const bool falls = level < last_level_; // a leak never gives back, not even what is too much
    last_level_ = level;
    while (falls && !held_.empty() && held_.bytes() - held_.oldest_bytes() >= level)
      held_.drop_oldest();
  }

private:
  Plan plan_;
  double last_level_ = 0;
  Level level_;
  Allocate allocate_;
  Sizes sizes_;
  Random random_;
  Store held_;
};

/// A cache that fills until 35% of the time and then drops the oldest entry for each new one.
class Evicting : public Memory {
public:
  explicit Evicting(const Plan& plan)
      : bytes_per_second_(capacity / (0.35 * plan.seconds)), random_(plan.seed) {}

  void step(double seconds) override {
    while (added_ < bytes_per_second_ * seconds) {
      const std::size_t size = size_between(small_blocks, random_);
      while (held_.bytes() + static_cast<double>(size) > capacity)
        held_.drop_oldest();
      held_.add(cache_entry(size), size);
      added_ += static_cast<double>(size);
    }
  }

private:
  static constexpr double capacity = 40 * megabyte;
  double bytes_per_second_;
  double added_ = 0;
  Random random_;
  Store held_;
};

/// 200 sites that hold 16 blocks each and replace 2,000 in all a second; one of them also forgets
/// some.
class Sessions : public Memory {
public:
  explicit Sessions(const Plan& plan) : rate_(plan.rate), random_(plan.seed) {
    for (int i = 0; i < until_settled; i++)
      replace_one();
  }

  void step(double seconds) override {
    for (; static_cast<double>(replaced_) < replaced_per_second * seconds; replaced_++)
      replace_one();
    while (forgotten_.bytes() < rate_ * seconds) {
      const std::size_t size = size_between(small_blocks, random_);
      forgotten_.add(session_sites[leaking_session_site](size), size);
    }
  }

private:
  static constexpr double replaced_per_second = 2000;
  static constexpr int until_settled = 200'000;
  static constexpr Sizes sizes{64, 8 * kilobyte};

  void replace_one() {
    const std::size_t site = index_below(session_sites.size(), random_);
    char*& slot = slots_[site][index_below(slots_[site].size(), random_)];
    std::free(slot);
    slot = session_sites[site](size_between(sizes, random_));
  }

  double rate_;
  long replaced_ = 0;
  Random random_;
  std::array<std::array<char*, 16>, session_sites.size()> slots_{};
  Store forgotten_;
};

// ---- shapes -------------------------------------------------------------------------------------

double level_steady(const Plan& /*plan*/, double /*seconds*/) {
  return 0;
}

double level_burst(const Plan& plan, double seconds) {
  const double at = seconds / plan.seconds;
  return at >= 0.4 && at < 0.6 ? 60 * megabyte : 0;
}

double level_sawtooth(const Plan& plan, double seconds) {
  const double tooth = 8 * seconds / plan.seconds;
  return 20 * megabyte * (tooth - std::floor(tooth));
}

double level_slow_cache(const Plan& plan, double seconds) {
  return 40 * megabyte * std::min(1.0, seconds / (0.6 * plan.seconds));
}

double level_leak(const Plan& plan, double seconds) {
  return plan.rate * seconds;
}

double level_late_leak(const Plan& plan, double seconds) {
  return plan.rate * std::max(0.0, seconds - 0.5 * plan.seconds);
}

/// 24 MB in five minutes, and in proportion: its last rate is the same in a run of any length.
double level_log(const Plan& plan, double seconds) {
  constexpr double time_constants = 30; // in the whole time
  return 24 * megabyte * plan.seconds / 300 * std::log1p(time_constants * seconds / plan.seconds) /
         std::log1p(time_constants);
}

/// Four days, from their nights.
double level_wave(const Plan& plan, double seconds) {
  return 20 * megabyte * (1 - std::cos(2 * std::numbers::pi * 4 * seconds / plan.seconds));
}

template <Level level, Allocate allocate, const Sizes& sizes>
std::unique_ptr<Memory> following(const Plan& plan) {
  return std::make_unique<Following>(plan, level, allocate, sizes);
}

template <class Kind> std::unique_ptr<Memory> other(const Plan& plan) {
  return std::make_unique<Kind>(plan);
}

struct Shape {
  std::string_view name;
  double default_rate; ///< MB per minute; 0: the shape takes none
  std::unique_ptr<Memory> (*make)(const Plan&);
};

constexpr std::array shapes{
    Shape{"steady", 0, following<level_steady, work_buffer, large_blocks>},
    Shape{"burst", 0, following<level_burst, work_buffer, large_blocks>},
    Shape{"sawtooth", 0, following<level_sawtooth, work_buffer, large_blocks>},
    Shape{"cache_evict", 0, other<Evicting>},
    Shape{"slow_cache", 0, following<level_slow_cache, cache_entry, small_blocks>},
    Shape{"leak", 2, following<level_leak, remember_order, small_blocks>},
    Shape{"late_leak", 20, following<level_late_leak, remember_order, small_blocks>},
    Shape{"one_of_200", 4, other<Sessions>},
    Shape{"log", 0, following<level_log, learn_word, small_blocks>},
    Shape{"wave", 0, following<level_wave, work_buffer, large_blocks>},
};

// ---- command line, standard input, time ---------------------------------------------------------

struct Options {
  const Shape* shape = nullptr;
  Plan plan;
  bool wait = false;
};

std::optional<double> positive_number(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end || !std::isfinite(value) || value <= 0)
    return std::nullopt;
  return value;
}

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  std::optional<double> rate;
  for (int i = 1; i < argc; i++) {
    const std::string word = argv[i];
    const auto* named = std::find_if(shapes.begin(), shapes.end(),
                                     [&](const Shape& shape) { return shape.name == word; });
    if (named != shapes.end()) {
      options.shape = named;
    } else if (word == "--wait") {
      options.wait = true;
    } else {
      const std::optional<double> value = positive_number(++i < argc ? argv[i] : "");
      if (!value)
        return std::nullopt;
      if (word == "--seconds")
        options.plan.seconds = *value;
      else if (word == "--seed")
        options.plan.seed = static_cast<unsigned>(*value);
      else if (word == "--rate")
        rate = *value;
      else
        return std::nullopt;
    }
  }
  if (!options.shape || (rate && options.shape->default_rate == 0))
    return std::nullopt;
  options.plan.rate = rate.value_or(options.shape->default_rate) * megabyte / 60;
  return options;
}

int print_usage() {
  std::fputs("usage: shapes SHAPE --seconds N [--seed S] [--rate MB_PER_MINUTE] [--wait]\n"
             "shapes:",
             stderr);
  for (const Shape& shape : shapes)
    std::fprintf(stderr, " %s%s", shape.name.data(), shape.default_rate > 0 ? " (--rate)" : "");
  std::fputs("\n", stderr);
  return 2;
}

enum class Heard { nothing, line, end };

/// Listens on standard input until something comes or `until` is there.
Heard listen_until(Clock::time_point until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  pollfd input{STDIN_FILENO, POLLIN, 0};
  if (poll(&input, 1, static_cast<int>(std::clamp<decltype(left)>(left, 0, 60'000))) <= 0)
    return Heard::nothing;
  char byte = 0;
  if (read(STDIN_FILENO, &byte, 1) <= 0)
    return Heard::end;
  return byte == '\n' ? Heard::line : Heard::nothing;
}

bool wait_for_line() {
  for (;;) {
    const Heard heard = listen_until(Clock::now() + std::chrono::minutes(1));
    if (heard != Heard::nothing)
      return heard == Heard::line;
  }
}

void run(Memory& memory) {
  constexpr std::chrono::milliseconds pause{20};
  const auto start = Clock::now();
  for (auto next = start;;) {
    memory.step(std::chrono::duration<double>(Clock::now() - start).count());
    next = std::max(next + pause, Clock::now());
    while (Clock::now() < next)
      if (listen_until(next) == Heard::end)
        return;
  }
}

} // namespace

int main(int argc, char** argv) {
  const std::optional<Options> options = parse(argc, argv);
  if (!options)
    return print_usage();
  mallopt(M_MMAP_THRESHOLD, own_mapping); // and keep it there
  std::latch settled(1);
  const std::jthread churning(keep_churning, options->plan.seed, std::ref(settled));
  const std::unique_ptr<Memory> memory = options->shape->make(options->plan);
  settled.wait();
  std::printf("ready %d\n", getpid());
  std::fflush(stdout);
  if (!options->wait || wait_for_line())
    run(*memory);
}
