// SPDX-License-Identifier: Apache-2.0
#include "base/background.h"
#include "pipe.h"

#include <array>
#include <new>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>

namespace leakbpf {
namespace {

TEST_CASE("work in the background gives its result", "[background]") {
  Background<std::string> work([] { return std::string("done"); });
  CHECK(work.wait(-1));
  CHECK(work.is_done());
  CHECK(work.take() == "done");
}

TEST_CASE("what work throws reaches who takes its result", "[background]") {
  Background<int> work([]() -> int { throw std::bad_alloc(); });
  CHECK(work.wait(-1));
  CHECK_THROWS_AS(work.take(), std::bad_alloc);
}

TEST_CASE("work that waits can be left behind", "[background]") {
  const Pipe blocked;
  const Pipe interrupt;
  {
    const Background<int> work([fd = dup(blocked.read.get())] {
      char byte = 0;
      const UniqueFd owned(fd);
      return static_cast<int>(read(fd, &byte, 1));
    });
    CHECK_FALSE(work.wait(1));
    REQUIRE(write(interrupt.write.get(), "x", 1) == 1);
    CHECK_FALSE(work.wait_unless(interrupt.read.get()));
  }
  REQUIRE(write(blocked.write.get(), "x", 1) == 1); // it goes on, and hurts nobody
}

TEST_CASE("work that is quick is waited for although a signal is there", "[background]") {
  const Pipe interrupt;
  REQUIRE(write(interrupt.write.get(), "x", 1) == 1);
  Background<int> work([] { return 7; });
  CHECK(work.wait_unless(interrupt.read.get()));
  CHECK(work.take() == 7);
}

TEST_CASE("a thread of work takes no signals", "[background]") {
  Background<bool> work([] {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGINT) == 1;
  });
  CHECK(work.wait(-1));
  CHECK(work.take());
}

} // namespace
} // namespace leakbpf
