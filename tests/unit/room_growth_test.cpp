// SPDX-License-Identifier: Apache-2.0
#include "core/room_growth.h"
#include "megabyte.h"

#include <array>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

using namespace leakbpf;
using Catch::Approx;

namespace {

/// Megabytes that each look has more than the one before it.
struct Steps {
  double room = 0;
  double used = 0;
  double memory = 0;
  double outstanding = 0;
};

HeapLook look_of(int number, const Steps& steps) {
  return {3.0 * number, (2 + number * steps.room) * megabyte, (20 + number * steps.used) * megabyte,
          (40 + number * steps.memory) * megabyte, number * steps.outstanding * megabyte};
}

RoomHistory history_of(const Steps& steps, int looks = 8) {
  RoomHistory history;
  for (int i = 0; i < looks; i++)
    history.add(look_of(i, steps));
  return history;
}

/// Megabytes a second of what is seven steps of three seconds.
double replaced(const Steps& steps) {
  return history_of(steps).growth()->replaced_rate * 3 / megabyte;
}

} // namespace

TEST_CASE("of a few looks nothing is said", "[room]") {
  CHECK_FALSE(RoomHistory().growth());
  CHECK_FALSE(history_of({1, 0, 1, 0}, 3).growth());
  CHECK_FALSE(history_of({1, 0, 1, 0}, 4).growth()); // 9 s
  CHECK(history_of({1, 0, 1, 0}, 5).growth());
}

TEST_CASE("room that grows is the share of it of the growth", "[room]") {
  const auto all = history_of({1, 0, 1, 0}).growth();
  CHECK(all->share == Approx(1));
  CHECK(all->bytes == Approx(9 * megabyte));
  CHECK(history_of({1, 1, 4, 1}).growth()->share == Approx(0.25));
  CHECK(history_of({0, 1, 1, 1}).growth()->share == 0);
  CHECK(history_of({1, 0, 0, 0}).growth()->share == 0); // the process does not grow
  CHECK(all->most_share == Approx(1));
}

TEST_CASE("room that blocks left behind is no growth of the heap", "[room]") {
  CHECK(history_of({1, -1, 1, 0}).growth()->share == 0);
  RoomHistory history; // once, and what grows lies elsewhere
  for (int i = 0; i < 8; i++)
    history.add({3.0 * i, (i < 4 ? 2 : 9) * megabyte, 20 * megabyte, (40 + i) * megabyte, 0});
  CHECK(history.growth()->share == 0);
  CHECK(history.growth()->most_share == Approx(1)); // for it may be the heap that grew at once
}

TEST_CASE("outstanding bytes of other kinds are not replaced by blocks of the heap", "[room]") {
  RoomHistory history;
  for (int i = 0; i < 8; i++) {
    HeapLook look = look_of(i, {1, 0, 1, 1});
    look.of_all_kinds = 4.0 * i * megabyte;
    history.add(look);
  }
  CHECK(history.growth()->replaced_share == Approx(0.25));
}

TEST_CASE("blocks that do not grow are taken in the place of others", "[room]") {
  CHECK(replaced({1, 0, 1, 1}) == Approx(1));
  CHECK(replaced({1, 0.04, 1, 1}) == Approx(1)); // that threads keep for themselves
  CHECK(replaced({1, 0.4, 1, 1}) == Approx(0.6));
  CHECK(replaced({1, 0.4, 1, 8}) == Approx(7.6)); // an estimate that exploded
  CHECK(replaced({1, 0.8, 1, 1}) == 0);           // within what looks can tell
  CHECK(replaced({0, 1, 1, 0.5}) == 0);           // windows tell of a part
  CHECK(replaced({0, 0, 1, 0.05}) == 0);          // too little to be said
  CHECK(history_of({1, 0.4, 1, 1}).growth()->blocks_rate * 3 / megabyte == Approx(0.4));
}

TEST_CASE("what is neither room nor a block that was found is taken for blocks", "[room]") {
  const auto growth = history_of({0, 0, 1, 1}).growth(); // in a heap of another allocator
  CHECK(growth->replaced_rate == 0);
  CHECK(growth->blocks_rate * 3 / megabyte == Approx(1));
  CHECK(growth->share == 0);
}

TEST_CASE("what comes and goes may hide growth of the blocks", "[room]") {
  const auto steady = history_of({1, 0.4, 1, 1}).growth();
  CHECK(steady->most_blocks_rate == Approx(steady->blocks_rate));
  RoomHistory churning;
  for (int i = 0; i < 8; i++) {
    HeapLook look = look_of(i, {1, 0.4, 1, 1});
    constexpr std::array offsets{0.1, -0.05, 0.02, 0.12, -0.11, 0.04, 0.09, -0.1};
    look.used += offsets.at(static_cast<std::size_t>(i)) * megabyte;
    churning.add(look);
  }
  const auto growth = churning.growth();
  CHECK(growth->most_blocks_rate > growth->blocks_rate);
  CHECK(growth->most_blocks_rate * 3 / megabyte > 0.4);
  CHECK(growth->most_blocks_rate * 3 / megabyte < 0.8);
}

TEST_CASE("a fall hides no growth of the blocks", "[room]") {
  RoomHistory history; // what was there before is given back once, while others come
  for (int i = 0; i < 12; i++)
    history.add(
        {3.0 * i, 2 * megabyte, ((i < 6 ? 40 : 20) + i) * megabyte, 60 * megabyte, i * megabyte});
  CHECK(history.growth()->replaced_rate == 0);
}

TEST_CASE("where much comes and goes from look to look nothing is said", "[room]") {
  constexpr std::array<double, 8> under_way{40, 20, 30, 25, 20, 35, 28, 22};
  RoomHistory history;
  for (std::size_t i = 0; i < under_way.size(); i++) {
    const double used = under_way.at(i) + static_cast<double>(i) * 0.5;
    history.add({3.0 * static_cast<double>(i), (60 - used) * megabyte, used * megabyte,
                 (100 + static_cast<double>(i)) * megabyte, static_cast<double>(i) * megabyte});
  }
  CHECK_FALSE(history.growth());
}

TEST_CASE("a long run is judged as a whole", "[room]") {
  RoomHistory history; // it leaks for hours; of late a cache is emptied
  constexpr int looks = 1000;
  for (int i = 0; i < looks; i++) {
    HeapLook look = look_of(i, {0, 1, 1, 1});
    if (i > looks - 60)
      look = {look.seconds, (2 + i - looks + 60) * megabyte, (20 + looks - 60) * megabyte,
              look.memory, look.outstanding};
    history.add(look);
  }
  const auto growth = history.growth();
  REQUIRE(growth);
  CHECK(growth->share < 0.1);
  CHECK(growth->replaced_rate == 0);
}
