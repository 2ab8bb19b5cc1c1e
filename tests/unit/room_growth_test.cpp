// SPDX-License-Identifier: Apache-2.0
#include "core/room_growth.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

using namespace leakbpf;
using Catch::Approx;

namespace {

constexpr double megabyte = 1024.0 * 1024.0;

/// Megabytes that each look has more than the one before it.
struct Steps {
  double free = 0;
  double used = 0;
  double memory = 0;
  double outstanding = 0;
};

RoomHistory history_of(const Steps& steps, int looks = 8) {
  RoomHistory history;
  for (int i = 0; i < looks; i++)
    history.add({3.0 * i, (2 + i * steps.free) * megabyte, (20 + i * steps.used) * megabyte,
                 (40 + i * steps.memory) * megabyte, i * steps.outstanding * megabyte});
  return history;
}

} // namespace

TEST_CASE("of a few looks nothing is said", "[room]") {
  CHECK_FALSE(RoomHistory().growth());
  CHECK_FALSE(history_of({1, 0, 1, 0}, 2).growth());
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
}

TEST_CASE("room that blocks left behind is no growth of the heap", "[room]") {
  CHECK(history_of({1, -1, 1, 0}).growth()->share == 0);
  RoomHistory history; // once, and what grows lies elsewhere
  for (int i = 0; i < 8; i++)
    history.add({3.0 * i, (i < 4 ? 2 : 9) * megabyte, 20 * megabyte, (40 + i) * megabyte, 0});
  CHECK(history.growth()->share == 0);
}

TEST_CASE("blocks that do not grow are taken in the place of others", "[room]") {
  CHECK(history_of({1, 0, 1, 1}).growth()->kept == 0);
  CHECK(history_of({1, 0.05, 1, 1}).growth()->kept == 0); // noise
  CHECK(history_of({1, 0.4, 1, 1}).growth()->kept == Approx(0.4));
  CHECK(history_of({1, 0.8, 1, 1}).growth()->kept == 1); // within what looks can tell
  CHECK(history_of({0, 1, 1, 0.5}).growth()->kept == 1); // windows tell of a part
  CHECK(history_of({0, 0, 1, 0.1}).growth()->kept == 1); // too little to be said
}

TEST_CASE("a fall hides no growth of the blocks", "[room]") {
  RoomHistory history; // what was there before is given back once, while others come
  for (int i = 0; i < 12; i++)
    history.add(
        {3.0 * i, 2 * megabyte, ((i < 6 ? 40 : 20) + i) * megabyte, 60 * megabyte, i * megabyte});
  CHECK(history.growth()->kept == 1);
}
