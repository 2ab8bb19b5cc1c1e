// SPDX-License-Identifier: Apache-2.0
// What is handed over is closed, by however many threads. Pipes stand for links: the reading end
// tells.
#include "session/link_reaper.h"

#include <array>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace leakbpf {
namespace {

struct Pipes {
  /// The writing ends.
  std::vector<Link> open(std::size_t count) {
    std::vector<Link> links;
    for (std::size_t i = 0; i < count; i++) {
      std::array<int, 2> ends{};
      REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
      reading.emplace_back(ends[0]);
      links.emplace_back(UniqueFd(ends[1]));
    }
    return links;
  }
  /// Those whose writing end is closed, once they are, or after `timeout_ms`.
  [[nodiscard]] std::size_t closed(int timeout_ms) const {
    std::size_t count = 0;
    for (const UniqueFd& end : reading) {
      pollfd state{end.get(), POLLIN, 0};
      poll(&state, 1, timeout_ms);
      count += (state.revents & POLLHUP) != 0 ? 1U : 0U;
    }
    return count;
  }
  std::vector<UniqueFd> reading;
};

TEST_CASE("when the reaper is gone, every link is closed", "[reaper]") {
  for (const std::size_t count : {0U, 1U, 3U, 200U}) {
    CAPTURE(count);
    Pipes pipes;
    {
      LinkReaper reaper;
      reaper.close(pipes.open(count));
      reaper.close({});
      reaper.close(pipes.open(2));
    }
    CHECK(pipes.closed(0) == count + 2);
  }
}

TEST_CASE("links are closed while the reaper goes on", "[reaper]") {
  constexpr int long_enough_ms = 30000;
  Pipes pipes;
  LinkReaper reaper;
  for (const std::size_t count : {1U, 40U, 2U}) {
    reaper.close(pipes.open(count));
    CHECK(pipes.closed(long_enough_ms) == pipes.reading.size());
  }
}

} // namespace
} // namespace leakbpf
