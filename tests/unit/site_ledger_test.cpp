// SPDX-License-Identifier: Apache-2.0
// The ledger against a naive one, in every order of what can happen to a program and its blocks.
#include "core/site_ledger.h"
#include "made_ledger.h"

#include <array>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

using namespace leakbpf;

namespace {

constexpr std::uint64_t block_bytes = 100;
constexpr std::uint64_t grown_bytes = 300;
constexpr std::uint32_t window_scale = 4;

/// Two of the kernel's hashes are of the same frames: mappings changed between the two walks.
constexpr std::array<std::uint64_t, 3> hashes{101, 102, 201};

LocatedStack one_place_stack(std::uint64_t hash) {
  return {{CodePlace{1, true, hash / 100}}, LEAKBPF_STACK_COMPLETE};
}

std::uint64_t place_of(std::uint64_t hash) {
  return hash_places(one_place_stack(hash));
}

struct Block {
  KernelKey site;
  std::uint64_t bytes = 0;
  std::uint32_t weight = 1;
  std::uint32_t window = 0;
  bool seen_freed = true; ///< false: it was freed while nothing was probed
};

/// As bpf/site.bpf.h counts.
class FakeTable : public MadeSiteTable {
public:
  void forget_stack(std::uint64_t hash) override { forgotten_.push_back(hash); }
  [[nodiscard]] std::uint32_t max_stacks() const override { return is_full ? 0 : 1000; }

  void allocate(const Block& block) {
    leakbpf_site_totals& totals = sites[block.site];
    const std::uint64_t weight = std::uint64_t{block.weight} << LEAKBPF_WEIGHT_BITS;
    totals.allocated_bytes += block.bytes * weight;
    totals.allocated_count += weight;
    add_young(totals, block.window, static_cast<std::int64_t>(block.bytes * weight),
              static_cast<std::int64_t>(weight));
  }
  void release(const Block& block, std::uint32_t window) {
    leakbpf_site_totals& totals = sites[block.site];
    const std::uint64_t weight = std::uint64_t{block.weight} << LEAKBPF_WEIGHT_BITS;
    totals.freed_bytes += block.bytes * weight;
    totals.freed_count += weight;
    if (block.window == window)
      add_young(totals, window, -static_cast<std::int64_t>(block.bytes * weight),
                -static_cast<std::int64_t>(weight));
  }
  [[nodiscard]] std::size_t size() const { return sites.size(); }
  /// A stack that a site has was forgotten, and nobody knows its place.
  [[nodiscard]] bool has_lost_a_stack(const StackStore& stacks) {
    for (const std::uint64_t hash : std::exchange(forgotten_, {}))
      for (const auto& [key, totals] : sites)
        if (key.stack == hash && !stacks.knows(hash))
          return true;
    return false;
  }

  bool is_full = false;

private:
  static void add_young(leakbpf_site_totals& totals, std::uint32_t window, std::int64_t bytes,
                        std::int64_t count) {
    if (totals.young_window != window) {
      totals.young_window = window;
      totals.young_bytes = 0;
      totals.young_count = 0;
    }
    totals.young_bytes += bytes;
    totals.young_count += count;
  }

  std::vector<std::uint64_t> forgotten_;
};

class FakeTargets : public MadeLedgerTargets {
public:
  explicit FakeTargets(StackStore& stacks) : MadeLedgerTargets(stacks, one_place_stack) {}
  [[nodiscard]] const WindowState* window_of(std::uint32_t target) const override {
    return living.contains(target) || ended.contains(target) ? &window : nullptr;
  }
  [[nodiscard]] bool has_ended(std::uint32_t target) const override {
    return !living.contains(target);
  }

  std::set<std::uint32_t> living{1};
  std::set<std::uint32_t> ended; ///< and not settled
};

/// Bytes and blocks by target and place.
using Outstanding =
    std::map<std::pair<std::uint32_t, std::uint64_t>, std::pair<std::uint64_t, std::uint64_t>>;

enum class Step { allocate, release, reallocate, fork, execute, exit, open, close, sample, forget };
constexpr std::array<std::pair<Step, std::string_view>, 10> steps{{{Step::allocate, "allocate"},
                                                                   {Step::release, "free"},
                                                                   {Step::reallocate, "realloc"},
                                                                   {Step::fork, "fork"},
                                                                   {Step::execute, "exec"},
                                                                   {Step::exit, "exit"},
                                                                   {Step::open, "window opens"},
                                                                   {Step::close, "window ends"},
                                                                   {Step::sample, "sample"},
                                                                   {Step::forget, "forget"}}};

/// A program, its kernel side, and what both ledgers say of it.
class World {
public:
  World() {
    targets_.window.number = 1;
    is_probed_ = true;
  }

  /// False: it can't happen now, or changes nothing.
  bool take(Step step) {
    switch (step) {
    case Step::allocate:
      return allocate(block_bytes);
    case Step::release:
      return release();
    case Step::reallocate:
      return release() && allocate(grown_bytes);
    case Step::fork:
      return begin_target();
    case Step::execute:
      return end_target() && begin_target();
    case Step::exit:
      return end_target();
    case Step::open:
      return open_window();
    case Step::close:
      return close_window();
    case Step::sample:
      sample(false);
      return true;
    case Step::forget:
      sample(true);
      return true;
    }
    return false;
  }

  /// What is wrong after a last sample; empty: nothing.
  std::string problem() {
    sample(false);
    return problem_;
  }

private:
  bool allocate(std::uint64_t bytes) {
    if (targets_.living.empty())
      return false;
    if (!is_probed_)
      return true; // nobody sees it
    const Block block{{*targets_.living.rbegin(), LEAKBPF_KIND_HEAP, hashes.at(taken_++ % 3)},
                      bytes,
                      targets_.window.scale,
                      targets_.window.number,
                      true};
    table_.allocate(block);
    blocks_.push_back(block);
    return true;
  }

  /// The oldest of the newest process.
  bool release() {
    if (targets_.living.empty())
      return false;
    const std::uint32_t target = *targets_.living.rbegin();
    for (auto block = blocks_.begin(); block != blocks_.end(); ++block) {
      if (block->site.target != target || !block->seen_freed)
        continue;
      if (is_probed_) {
        table_.release(*block, targets_.window.number);
        blocks_.erase(block);
      } else {
        block->seen_freed = false;
      }
      return true;
    }
    return false;
  }

  bool begin_target() {
    if (ids_ > 1 && targets_.living.empty())
      return false;
    targets_.living.insert(++ids_);
    return true;
  }

  bool end_target() {
    if (targets_.living.empty())
      return false;
    const std::uint32_t last = *targets_.living.rbegin();
    targets_.ended.insert(last);
    targets_.living.erase(last);
    return true;
  }

  bool open_window() {
    if (targets_.window.unfinished)
      return false;
    targets_.window.unfinished = targets_.window.limited = is_probed_ = true;
    targets_.window.number++;
    targets_.window.scale = window_scale;
    return true;
  }

  bool close_window() {
    if (!is_probed_)
      return false;
    targets_.window.limited = true;
    targets_.window.unfinished = is_probed_ = false;
    return true;
  }

  /// As a scan of the heap finds them, which looks at those from before the last window.
  void give_back_unseen() {
    std::erase_if(blocks_, [this](const Block& block) {
      const bool found = !block.seen_freed && block.window != targets_.window.number;
      if (found)
        ledger_.give_back(block.site, block.bytes * block.weight * LEAKBPF_WEIGHT_ONE,
                          std::uint64_t{block.weight} * LEAKBPF_WEIGHT_ONE);
      return found;
    });
  }

  void sample(bool full) {
    give_back_unseen();
    table_.is_full = full;
    ledger_.read();
    if (!targets_.window.unfinished)
      expected_ = count();
    if (table_.has_lost_a_stack(stacks_))
      problem_ = "a stack was forgotten that a site has";
    compare();
    settle();
  }

  /// Naively: each block is what it stands for. Those of the last window stand for themselves until
  /// the next one.
  [[nodiscard]] Outstanding count() const {
    Outstanding counted;
    for (const Block& block : blocks_) {
      const bool is_young = block.window == targets_.window.number;
      auto& [bytes, blocks] = counted[{block.site.target, place_of(block.site.stack)}];
      bytes += block.bytes * (is_young ? 1 : block.weight);
      blocks += is_young ? 1 : block.weight;
    }
    return counted;
  }

  [[nodiscard]] Outstanding outstanding() const {
    Outstanding found;
    for (const auto& [key, site] : ledger_.sites())
      if (site.totals.outstanding_count() > 0)
        found[{key.target, key.stack_hash}] = {site.totals.outstanding_bytes(),
                                               site.totals.outstanding_count()};
    return found;
  }

  static Outstanding of(Outstanding all, const std::set<std::uint32_t>& targets) {
    std::erase_if(all, [&](const auto& each) { return !targets.contains(each.first.first); });
    return all;
  }

  void compare() {
    if (outstanding() != expected_)
      problem_ = "the ledgers differ";
  }

  /// What has ended is not looked at any more.
  void settle() {
    std::set<std::uint32_t> settled;
    for (const std::uint32_t target : targets_.ended)
      if (!ledger_.is_awaited(target))
        settled.insert(target);
    for (const std::uint32_t target : settled)
      targets_.ended.erase(target);
    if (of(outstanding(), settled) != of(count(), settled))
      problem_ = "a target's last numbers are wrong";
    ledger_.drop(settled, {});
    const auto is_settled = [&](std::uint32_t target) { return settled.contains(target); };
    std::erase_if(blocks_, [&](const Block& block) { return is_settled(block.site.target); });
    std::erase_if(expected_, [&](const auto& each) { return is_settled(each.first.first); });
    if (targets_.living.empty() && targets_.ended.empty() && table_.size() > 0)
      problem_ = "the kernel's table has rows of nobody";
  }

  FakeTable table_;
  StackStore stacks_;
  FakeTargets targets_{stacks_};
  SiteLedger ledger_{table_, stacks_, targets_};
  std::vector<Block> blocks_;
  Outstanding expected_;
  std::string problem_;
  std::uint32_t ids_ = 1;
  std::size_t taken_ = 0;
  bool is_probed_ = false;
};

std::string text_of(const std::vector<Step>& order) {
  std::string text;
  for (const Step step : order)
    for (const auto& [each, name] : steps)
      if (each == step)
        text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

class Orders {
public:
  explicit Orders(std::size_t longest) : longest_(longest) {}

  /// Tries all that begin with `order`.
  void try_from(std::vector<Step>& order) {
    World world;
    for (const Step step : order)
      if (!world.take(step))
        return;
    tried_++;
    if (const std::string problem = world.problem(); !problem.empty()) {
      problems_.push_back(text_of(order) + ": " + problem);
      return;
    }
    if (order.size() == longest_ || problems_.size() > most_problems)
      return;
    for (const auto& [step, name] : steps) {
      if (!order.empty() && order.back() == step && step >= Step::sample)
        continue; // twice is once
      order.push_back(step);
      try_from(order);
      order.pop_back();
    }
  }

  [[nodiscard]] std::size_t tried() const { return tried_; }
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

private:
  static constexpr std::size_t most_problems = 5;
  std::size_t longest_;
  std::size_t tried_ = 0;
  std::vector<std::string> problems_;
};

} // namespace

TEST_CASE("the ledger is right in every order of seven steps", "[site_ledger]") {
  Orders orders(7);
  std::vector<Step> none;
  orders.try_from(none);
  for (const std::string& problem : orders.problems())
    UNSCOPED_INFO(problem);
  CHECK(orders.problems().empty());
  CHECK(orders.tried() > 100'000);
}

TEST_CASE("blocks that stand for fractions leave nothing when they were given back",
          "[site_ledger]") {
  constexpr std::uint64_t weight = LEAKBPF_WEIGHT_ONE + 200; // 1.78 blocks
  constexpr std::uint64_t size = 1000;
  constexpr std::uint64_t blocks = 2100; // more sites than are kept without a need
  MadeSiteTable table;
  StackStore stacks;
  MadeLedgerTargets targets{stacks, one_place_stack};
  SiteLedger ledger{table, stacks, targets};
  for (std::uint64_t i = 1; i <= blocks; i++) {
    leakbpf_site_totals& totals = table.sites[{1, LEAKBPF_KIND_HEAP, 100 * i}];
    totals.allocated_bytes = 3 * size * weight;
    totals.allocated_count = 3 * weight;
  }
  ledger.read();
  for (std::uint64_t i = 1; i <= blocks; i++)
    for (int block = 0; block < 3; block++)
      ledger.give_back({1, LEAKBPF_KIND_HEAP, 100 * i}, size * weight, weight);
  ledger.read();
  for (const auto& [key, site] : ledger.sites()) {
    CHECK(site.totals.outstanding_count() == 0);
    CHECK(site.totals.outstanding_bytes() == 0);
  }
  constexpr std::uint64_t others = blocks + 100; // so many that room is made for them
  for (std::uint64_t i = 1; i <= others; i++)
    table.sites[{1, LEAKBPF_KIND_HEAP, 100 * (blocks + i)}].allocated_count = weight;
  ledger.read();
  ledger.read();
  CHECK(ledger.in_kernel() == others);
}

TEST_CASE("a site that rests with its blocks needs no stack in the kernel", "[site_ledger]") {
  class CountingTable : public MadeSiteTable {
  public:
    void forget_stack(std::uint64_t hash) override { forgotten.insert(hash); }
    std::multiset<std::uint64_t> forgotten;
  };
  constexpr std::uint64_t resting = 1500;
  constexpr std::uint64_t busy = 1600;
  CountingTable table;
  StackStore stacks;
  MadeLedgerTargets targets{stacks, one_place_stack};
  SiteLedger ledger{table, stacks, targets};
  for (std::uint64_t i = 1; i <= resting; i++)
    table.sites[{1, LEAKBPF_KIND_HEAP, 100 * i}].allocated_count = LEAKBPF_WEIGHT_ONE;
  ledger.read();
  for (int reading = 0; reading < 5; reading++) {
    for (std::uint64_t i = 1; i <= busy; i++)
      table.sites[{1, LEAKBPF_KIND_HEAP, 100 * (resting + i)}].allocated_count +=
          LEAKBPF_WEIGHT_ONE;
    ledger.read();
  }
  CHECK(table.forgotten.size() == resting); // each once
  CHECK(ledger.in_kernel() == resting + busy);
  for (const auto& [key, site] : ledger.sites())
    CHECK(site.totals.outstanding_count() > 0);
}
