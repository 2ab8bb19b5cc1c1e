// SPDX-License-Identifier: Apache-2.0
#include "held/growth_pattern.h"
#include "target/open_files.h"

#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <sys/socket.h>
#include <unistd.h>

namespace leakbpf {
namespace {

TEST_CASE("open sockets are told from other open files", "[held]") {
  const ProcFs proc;
  const auto before = count_open_files(proc, getpid());
  REQUIRE(before);
  std::vector<UniqueFd> opened;
  opened.reserve(10);
  for (int i = 0; i < 7; i++)
    opened.emplace_back(socket(AF_UNIX, SOCK_STREAM, 0));
  for (int i = 0; i < 3; i++)
    opened.emplace_back(dup(STDIN_FILENO));
  const auto after = count_open_files(proc, getpid());
  REQUIRE(after);
  CHECK(after->sockets == before->sockets + 7);
  CHECK(after->others == before->others + 3);
  CHECK(!count_open_files(proc, 0));
}

TEST_CASE("connections that are closed and kept are told from open ones", "[held]") {
  const ConnectionEvidence open = connection_evidence(1'000, {980, 20});
  CHECK(open.note == "the process has 980 open sockets and 20 other open files");
  CHECK(open.fix.empty());
  const ConnectionEvidence closed = connection_evidence(1'000, {5, 20});
  CHECK(closed.note == "the process has 5 open sockets and 20 other open files: most of these are "
                       "closed but still kept");
  CHECK(closed.fix == "remove each one when it is closed");
}

} // namespace
} // namespace leakbpf
