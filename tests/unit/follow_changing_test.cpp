// SPDX-License-Identifier: Apache-2.0
#include "fake_proc.h"
#include "session/follow_changing.h"

#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;
const std::string first = "1000-2000 r-xp 0 08:02 99 /a\n";
const std::string second = "5000-6000 r-xp 0 08:02 99 /b\n";

struct Followed {
  FakeProc proc;
  int calls = 0;
  Followed() {
    proc.add_process(fake_pid);
    proc.write(fake_pid, "maps", first);
  }
  /// `meanwhile` is what happens to the process in each try, of which the last `fails`.
  Result<void> follow(const std::function<void()>& meanwhile, int succeeds_at = 0) {
    return follow_changing(proc.fs(), fake_pid, [&]() -> Result<void> {
      calls++;
      meanwhile();
      if (calls == succeeds_at)
        return {};
      return Error{ExitCode::cannot_trace, "cannot open /a", ""};
    });
  }
};

TEST_CASE("what fails for a process that holds still fails for good", "[follow_changing]") {
  Followed process;
  const auto followed = process.follow([] {});
  REQUIRE_FALSE(followed);
  CHECK(followed.error().message == "cannot open /a");
  CHECK(followed.error().code == ExitCode::cannot_trace);
  CHECK(process.calls == 1);
}

TEST_CASE("a process that ran another program is tried again", "[follow_changing]") {
  Followed process;
  CHECK(process.follow([&] { process.proc.write(fake_pid, "maps", second); }, 2));
  CHECK(process.calls == 2);
}

TEST_CASE("one that changes without an end is given up", "[follow_changing]") {
  Followed process;
  const auto followed = process.follow(
      [&] { process.proc.write(fake_pid, "maps", process.calls % 2 ? second : first); });
  REQUIRE_FALSE(followed);
  CHECK(followed.error().message == "cannot open /a");
  CHECK(process.calls == 5);
}

TEST_CASE("a process that ended meanwhile is no target", "[follow_changing]") {
  Followed process;
  const auto ended = [&](const std::function<void()>& how) {
    const auto followed = process.follow(how);
    REQUIRE_FALSE(followed);
    CHECK(followed.error().code == ExitCode::no_target);
    CHECK_THAT(followed.error().message, ContainsSubstring("ended while leakbpf attached"));
    CHECK(process.calls == 1);
  };
  SECTION("it is gone") {
    ended([&] { std::filesystem::remove_all(process.proc.folder / "4242"); });
  }
  SECTION("it is a zombie") {
    ended([&] {
      process.proc.write(fake_pid, "stat",
                         FakeProc::stat_line(fake_pid, "worker", 'Z', "4194560", 1));
    });
  }
  SECTION("it has lost its memory") {
    ended([&] { process.proc.write(fake_pid, "maps", ""); });
  }
}

TEST_CASE("a process that cannot be looked at has not ended for that", "[follow_changing]") {
  Followed process;
  std::filesystem::remove(process.proc.path(fake_pid, "stat"));
  std::filesystem::create_directories(
      process.proc.path(fake_pid, "stat")); // reading a folder fails
  const auto followed = process.follow([] {});
  REQUIRE_FALSE(followed);
  CHECK(followed.error().message == "cannot open /a");
}

TEST_CASE("a process whose main thread has ended is none that has", "[follow_changing]") {
  Followed process;
  process.proc.write(fake_pid, "stat", FakeProc::stat_line(fake_pid, "worker", 'Z', "4194560", 3));
  const auto followed = process.follow([] {});
  REQUIRE_FALSE(followed);
  CHECK(followed.error().message == "cannot open /a");
}

} // namespace
} // namespace leakbpf
