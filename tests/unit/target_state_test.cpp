// SPDX-License-Identifier: Apache-2.0
#include "session/target_state.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

namespace leakbpf {
namespace {

using Catch::Matchers::StartsWith;

TEST_CASE("a wait status is described as a shell user knows it", "[target_state]") {
  CHECK(describe_wait_status(0) == "exited with 0");
  CHECK(describe_wait_status(3 << 8) == "exited with 3");
  CHECK(describe_wait_status(255 << 8) == "exited with 255");
  CHECK(describe_wait_status(9) == "killed by signal 9 (Killed)");
  CHECK(describe_wait_status(15) == "killed by signal 15 (Terminated)");
  CHECK_THAT(describe_wait_status(11 | 0x80), StartsWith("killed by signal 11 (")); // with a core
  CHECK_THAT(describe_wait_status(40), StartsWith("killed by signal 40 ("));
}

TEST_CASE("ranges are counted in the target's sites", "[target_state]") {
  TargetState target;
  target.id = 5;
  start_range_map(target);
  target.ranges->add(0x10000, 0x4000, {77, LEAKBPF_KIND_MMAP, 0});
  target.ranges->add(0x20000, 0x1000, {77, LEAKBPF_KIND_BRK, 0});
  target.ranges->remove(0x11000, 0x1000);
  CHECK(target.range_sites.at({5, LEAKBPF_KIND_MMAP, 77}) == SiteTotals{0x4000, 1, 0x1000, 0});
  target.ranges->remove(0x10000, 0x4000);
  CHECK(target.range_sites.at({5, LEAKBPF_KIND_MMAP, 77}) == SiteTotals{0x4000, 1, 0x4000, 1});
  CHECK(target.range_sites.at({5, LEAKBPF_KIND_BRK, 77}) == SiteTotals{0x1000, 1, 0, 0});
  CHECK(target.alive());
}

} // namespace
} // namespace leakbpf
