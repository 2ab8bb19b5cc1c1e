// SPDX-License-Identifier: Apache-2.0
// Servers that a test starts.
#pragma once

#include "base/unique_fd.h"
#include "child.h"

#include <csignal>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <catch2/catch_test_macros.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace leakbpf::e2e {

inline void require_program(const std::string& name) {
  if (!std::filesystem::exists("/usr/bin/" + name))
    SKIP(name + " is not installed");
}

/// Of 127.0.0.1, that nobody listens on at this moment.
inline std::uint16_t free_port() {
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const bytes = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(bind(listener.get(), bytes, size) == 0);
  REQUIRE(getsockname(listener.get(), bytes, &size) == 0);
  return ntohs(address.sin_port);
}

/// Runs the shell command again and again until it succeeds.
inline void wait_until(const std::string& command) {
  for (int tries = 0; tries < 300; tries++) {
    if (run_program({"sh", "-c", command}).status == 0)
      return;
    usleep(100'000);
  }
  FAIL("it never came up: " << command);
}

/// The service of tests/python, each on a port of its own. It and its workers end with it.
class LeakyService {
public:
  explicit LeakyService(const std::vector<std::string>& options = {}) : server_(command(options)) {
    wait_until("python3 -c \"import urllib.request; urllib.request.urlopen('" + address() +
               "steady')\"");
  }
  LeakyService(const LeakyService&) = delete;
  LeakyService& operator=(const LeakyService&) = delete;
  ~LeakyService() {
    server_.signal(SIGINT);
    try {
      server_.wait_end(20);
    } catch (const std::exception& problem) {
      WARN("the server does not end: " << problem.what());
    }
  }
  [[nodiscard]] std::string pid() const { return std::to_string(server_.pid()); }
  [[nodiscard]] std::string address() const { return "http://127.0.0.1:" + port_ + "/"; }
  /// For --name: of no other process.
  [[nodiscard]] std::string name() const { return "leaky_service:app --port " + port_; }

private:
  [[nodiscard]] std::vector<std::string> command(const std::vector<std::string>& options) const {
    std::vector<std::string> words{
        "uvicorn",           "--app-dir", LEAKBPF_SOURCE_DIR "/tests/python/",
        "leaky_service:app", "--port",    port_,
        "--log-level",       "warning"};
    words.insert(words.end(), options.begin(), options.end());
    return words;
  }

  std::string port_ = std::to_string(free_port());
  Child server_;
};

} // namespace leakbpf::e2e
