// SPDX-License-Identifier: Apache-2.0
#include "base/message_writer.h"
#include "pipe.h"

#include <array>
#include <csignal>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace leakbpf {
namespace {

/// All that is in it now.
std::string drain(const Pipe& pipe) {
  REQUIRE(fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK) == 0);
  std::string all;
  std::array<char, 65536> chunk{};
  for (ssize_t got = 0; (got = read(pipe.read.get(), chunk.data(), chunk.size())) > 0;)
    all.append(chunk.data(), static_cast<std::size_t>(got));
  return all;
}

/// Writes until messages are lost; how often that was.
int fill(MessageWriter& messages) {
  const std::string line = std::string(999, 'x') + "\n";
  int written = 0;
  while (messages.lost() == 0 && written < 10'000) {
    messages.write(line);
    written++;
  }
  return written;
}

TEST_CASE("messages that are taken are whole and in order", "[message_writer]") {
  const Pipe pipe;
  MessageWriter messages(pipe.write.get());
  messages.write("one\n");
  messages.write(std::string(10'000, 'y') + "\n");
  messages.write("three\n");
  CHECK(drain(pipe) == "one\n" + std::string(10'000, 'y') + "\nthree\n");
  CHECK(messages.lost() == 0);
}

TEST_CASE("a reader that stops loses messages, is told how many, and holds nobody up",
          "[message_writer]") {
  const Pipe pipe;
  MessageWriter messages(pipe.write.get());
  const int written = fill(messages);
  CHECK(written > 10);
  CHECK(written < 1000);
  for (int i = 0; i < 5000; i++) // each waiting a quarter of a second would take 20 minutes
    messages.write("lost" + std::string(999, 'x') + "\n");
  const std::uint64_t lost = messages.lost();
  messages.write_if_ready("not counted\n");
  CHECK(messages.lost() == lost);
  std::string said = drain(pipe);
  CHECK(said.find("lost") == std::string::npos);
  messages.write("found\n");
  said += drain(pipe);
  CHECK(said.ends_with("messages before this one could not be written\nfound\n"));
  CHECK(messages.lost() == 0);
  // Whatever was lost was told of; small remarks about that found room where messages did not.
  std::uint64_t told = 0;
  for (std::size_t at = 0; (at = said.find("warning: ", at)) != std::string::npos; at++)
    told += std::stoull(said.substr(at + 9));
  CHECK(told == 5001);
}

TEST_CASE("the descriptor's other users see no change of it", "[message_writer]") {
  const Pipe pipe;
  const int flags = fcntl(pipe.write.get(), F_GETFL);
  MessageWriter messages(pipe.write.get());
  fill(messages);
  CHECK(fcntl(pipe.write.get(), F_GETFL) == flags);
}

TEST_CASE("a socket is not waited for either", "[message_writer]") {
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const UniqueFd near(ends[0]);
  const UniqueFd far(ends[1]);
  MessageWriter messages(near.get());
  CHECK(fill(messages) < 10'000);
}

TEST_CASE("what cannot be written is lost, and that is all", "[message_writer]") {
  signal(SIGPIPE, SIG_IGN);
  SECTION("a full device") {
    const UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
    MessageWriter messages(full.get());
    messages.write("x\n");
    messages.write("x\n");
    CHECK(messages.lost() == 2);
  }
  SECTION("no descriptor") {
    MessageWriter messages(-1);
    messages.write("x\n");
    CHECK(messages.lost() == 1);
  }
  SECTION("one that is not for writing") {
    const UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
    MessageWriter messages(null.get());
    messages.write("x\n");
    CHECK(messages.lost() == 1);
  }
  SECTION("no reader") {
    Pipe pipe;
    pipe.read = UniqueFd();
    MessageWriter messages(pipe.write.get());
    messages.write("x\n");
    CHECK(messages.lost() == 1);
  }
}

} // namespace
} // namespace leakbpf
