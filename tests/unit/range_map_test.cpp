// SPDX-License-Identifier: Apache-2.0
#include "core/range_map.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kBase = 0x7f0000000000;
constexpr std::size_t kPages = 64;

struct Totals {
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
  friend bool operator==(const Totals&, const Totals&) = default;
};
/// By owner; owners that hold nothing are left out.
using Ledger = std::map<std::uint64_t, Totals>;

/// A range map, with what its observer was told, in pages.
class Watched {
public:
  void add(std::size_t page, std::size_t pages, std::uint64_t owner) {
    map.add(kBase + page * kPage, pages * kPage, {owner, LEAKBPF_KIND_MMAP, 0});
  }
  void begin_take(std::uint32_t tid, std::size_t page, std::size_t pages) {
    map.begin_take(tid, kBase + page * kPage, pages * kPage);
  }
  void finish_take(std::uint32_t tid, bool succeeded) { map.finish_take(tid, succeeded); }
  void remove(std::size_t page, std::size_t pages) {
    map.remove(kBase + page * kPage, pages * kPage);
  }

  [[nodiscard]] Ledger told() const {
    Ledger outstanding;
    for (const auto& [owner, totals] : taken_) {
      const auto back = given_back_.find(owner);
      const Totals gone = back == given_back_.end() ? Totals{} : back->second;
      const Totals left{totals.bytes - gone.bytes, totals.count - gone.count};
      if (left != Totals{})
        outstanding[owner] = left;
    }
    return outstanding;
  }
  [[nodiscard]] Ledger held() const {
    Ledger held;
    map.each([&](const RangeOwner& owner, std::uint64_t /*address*/, std::uint64_t bytes) {
      held[owner.stack_hash].bytes += bytes;
      held[owner.stack_hash].count++;
    });
    return held;
  }

private:
  static void book(Ledger& ledger, const RangeOwner& owner, std::uint64_t bytes,
                   std::uint64_t count) {
    ledger[owner.stack_hash].bytes += bytes;
    ledger[owner.stack_hash].count += count;
  }
  Ledger taken_;
  Ledger given_back_;

public:
  RangeMap map{RangeMap::Observer{
      [this](const RangeOwner& owner, std::uint64_t bytes) { book(taken_, owner, bytes, 1); },
      [this](const RangeOwner& owner, std::uint64_t bytes, std::uint64_t count) {
        book(given_back_, owner, bytes, count);
      }}};
};

/// The same, page by page.
class Model {
public:
  void add(std::size_t page, std::size_t pages, std::uint64_t owner) {
    remove(page, pages);
    next_range_++;
    for (std::size_t i = page; i < page + pages; i++)
      pages_.at(i) = {next_range_, owner, 0};
  }
  void begin_take(std::uint32_t tid, std::size_t page, std::size_t pages) {
    finish_take(tid, true);
    for (std::size_t i = page; i < page + pages; i++)
      if (pages_.at(i).range != 0 && pages_.at(i).taker == 0)
        pages_.at(i).taker = tid;
  }
  void finish_take(std::uint32_t tid, bool succeeded) {
    for (Page& page : pages_) {
      if (page.taker != tid)
        continue;
      page.taker = 0;
      if (succeeded)
        page = {};
    }
  }
  void remove(std::size_t page, std::size_t pages) {
    for (std::size_t i = page; i < page + pages; i++)
      pages_.at(i) = {};
  }
  [[nodiscard]] Ledger held() const {
    Ledger held;
    std::set<std::uint64_t> seen;
    for (const Page& page : pages_) {
      if (page.range == 0)
        continue;
      held[page.owner].bytes += kPage;
      held[page.owner].count += seen.insert(page.range).second ? 1 : 0;
    }
    return held;
  }

private:
  struct Page {
    std::uint64_t range = 0; ///< 0: free
    std::uint64_t owner = 0;
    std::uint32_t taker = 0; ///< 0: nobody is giving it back
  };
  std::array<Page, kPages> pages_{};
  std::uint64_t next_range_ = 0;
};

/// One random call, made to both.
class Caller {
public:
  explicit Caller(unsigned seed) : random_(seed) {}

  std::string step(Watched& real, Model& model) {
    const std::size_t page = below(kPages);
    const std::size_t pages = below(std::min<std::size_t>(kPages - page, 16) + 1);
    const auto tid = static_cast<std::uint32_t>(1 + below(3));
    const std::string where = std::to_string(page) + "+" + std::to_string(pages);
    switch (below(8)) {
    case 0:
    case 1:
    case 2:
      return add(real, model, page, pages) + where;
    case 3:
    case 4:
      real.begin_take(tid, page, pages);
      model.begin_take(tid, page, pages);
      return "begin_take " + std::to_string(tid) + " " + where;
    case 5:
    case 6:
      return finish(real, model, tid);
    default:
      real.remove(page, pages);
      model.remove(page, pages);
      return "remove " + where;
    }
  }

private:
  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }
  std::string add(Watched& real, Model& model, std::size_t page, std::size_t pages) {
    const std::uint64_t owner = 1 + below(5);
    real.add(page, pages, owner);
    model.add(page, pages, owner);
    return "add for " + std::to_string(owner) + " ";
  }
  std::string finish(Watched& real, Model& model, std::uint32_t tid) {
    const bool succeeded = below(2) == 0;
    real.finish_take(tid, succeeded);
    model.finish_take(tid, succeeded);
    return "finish_take " + std::to_string(tid) + (succeeded ? " done" : " failed");
  }

  std::mt19937 random_;
};

constexpr std::uint64_t kOwner = 7;
constexpr std::uint64_t kOther = 8;

Ledger only(std::size_t pages, std::size_t ranges) {
  return {{kOwner, {pages * kPage, ranges}}};
}

void check(const Watched& ranges, const Ledger& expected) {
  CHECK(ranges.told() == expected);
  CHECK(ranges.held() == expected);
}

TEST_CASE("any sequence of calls leaves the totals that a map of pages has", "[range_map]") {
  for (unsigned seed = 1; seed <= 4000; seed++) {
    Watched real;
    Model model;
    Caller caller(seed);
    std::string steps;
    for (int i = 0; i < 40; i++) {
      steps += caller.step(real, model) + "; ";
      const Ledger expected = model.held();
      if (real.told() == expected && real.held() == expected)
        continue;
      INFO("seed " << seed << ": " << steps);
      check(real, expected);
      FAIL("differs from the model");
    }
  }
}

TEST_CASE("a range counts once until its last byte is gone", "[range_map]") {
  Watched ranges;
  ranges.add(0, 10, kOwner);
  check(ranges, only(10, 1));
  ranges.remove(4, 2); // a hole in the middle
  check(ranges, only(8, 1));
  ranges.remove(0, 4);
  check(ranges, only(4, 1));
  ranges.remove(6, 4);
  check(ranges, {});
}

TEST_CASE("of a range with a hole each piece is visited", "[range_map]") {
  Watched watched;
  watched.add(0, 10, 1);
  watched.remove(3, 4);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> pieces;
  watched.map.each_piece([&](const RangeOwner& owner, std::uint64_t address, std::uint64_t bytes) {
    CHECK(owner.stack_hash == 1);
    pieces.emplace_back((address - kBase) / kPage, bytes / kPage);
  });
  CHECK(pieces == std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0, 3}, {7, 3}});
}

TEST_CASE("one call may give back several ranges and parts of them", "[range_map]") {
  Watched ranges;
  ranges.add(0, 4, kOwner);
  ranges.add(4, 4, kOther);
  ranges.add(10, 4, kOwner);
  ranges.begin_take(1, 2, 10);
  ranges.finish_take(1, true);
  check(ranges, only(4, 2));
}

TEST_CASE("a mapping over others takes their place", "[range_map]") {
  Watched ranges;
  ranges.add(0, 4, kOwner);
  ranges.add(6, 4, kOwner);
  SECTION("in part") {
    ranges.add(3, 4, kOther);
    check(ranges, {{kOwner, {6 * kPage, 2}}, {kOther, {4 * kPage, 1}}});
  }
  SECTION("wholly") {
    ranges.add(0, 10, kOther);
    check(ranges, {{kOther, {10 * kPage, 1}}});
  }
}

TEST_CASE("a range is outstanding until the call that gives it back has succeeded", "[range_map]") {
  Watched ranges;
  ranges.add(0, 4, kOwner);
  ranges.begin_take(1, 1, 2);
  check(ranges, only(4, 1));
  SECTION("success") {
    ranges.finish_take(1, true);
    check(ranges, only(2, 1));
  }
  SECTION("failure puts it back, to be given back later") {
    ranges.finish_take(1, false);
    check(ranges, only(4, 1));
    ranges.remove(0, 4);
    check(ranges, {});
  }
  SECTION("a second call of the thread: the first one has succeeded") {
    ranges.begin_take(1, 3, 1);
    check(ranges, only(2, 1));
    ranges.finish_take(1, false);
    check(ranges, only(2, 1));
  }
  SECTION("another thread's end means nothing") {
    ranges.finish_take(2, true);
    check(ranges, only(4, 1));
  }
}

TEST_CASE("an address handed out again before the end of its munmap is the new owner's",
          "[range_map]") {
  Watched ranges;
  ranges.add(0, 4, kOwner);
  ranges.begin_take(1, 0, 4);
  ranges.add(1, 2, kOther);
  check(ranges, {{kOwner, {2 * kPage, 1}}, {kOther, {2 * kPage, 1}}});
  SECTION("munmap succeeded") {
    ranges.finish_take(1, true);
    check(ranges, {{kOther, {2 * kPage, 1}}});
  }
  SECTION("munmap failed: it was mapped over") {
    ranges.finish_take(1, false);
    check(ranges, {{kOwner, {2 * kPage, 1}}, {kOther, {2 * kPage, 1}}});
    ranges.remove(0, 4);
    check(ranges, {});
  }
}

TEST_CASE("a length beyond the end of the address space ends there", "[range_map]") {
  constexpr std::uint64_t beyond = ~0ULL - kPage;
  Watched ranges;
  ranges.add(0, 4, kOwner);
  SECTION("a munmap that the kernel refuses") {
    ranges.map.begin_take(1, kBase + 2 * kPage, beyond);
    ranges.finish_take(1, false);
    check(ranges, only(4, 1));
  }
  SECTION("removal") {
    ranges.map.remove(kBase + 2 * kPage, beyond);
    check(ranges, only(2, 1));
  }
}

TEST_CASE("nothing is not a range", "[range_map]") {
  Watched ranges;
  ranges.add(3, 0, kOwner);
  check(ranges, {});
  ranges.add(0, 4, kOwner);
  ranges.remove(2, 0);
  ranges.begin_take(1, 2, 0);
  SECTION("given back") {
    ranges.finish_take(1, true);
    check(ranges, only(4, 1));
  }
  SECTION("refused after the rest is gone") {
    ranges.remove(0, 4);
    ranges.finish_take(1, false);
    ranges.add(2, 1, kOther);
    check(ranges, {{kOther, {kPage, 1}}});
  }
}

} // namespace
} // namespace leakbpf
