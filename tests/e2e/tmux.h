// SPDX-License-Identifier: Apache-2.0
// A terminal that a test looks at and types into.
#pragma once

#include "child.h"

#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <unistd.h>

namespace leakbpf::e2e {

class Tmux {
public:
  /// Runs a shell in it.
  explicit Tmux(unsigned columns = 100, unsigned rows = 30) {
    if (!std::filesystem::exists("/usr/bin/tmux"))
      SKIP("tmux is not installed");
    const Finished started =
        call({"-f", "/dev/null", "new-session", "-d", "-x", std::to_string(columns), "-y",
              std::to_string(rows), "env LC_ALL=C.UTF-8 PS1='$ ' TERM=screen-256color sh"});
    INFO(started.output);
    REQUIRE(started.status == 0);
  }
  Tmux(const Tmux&) = delete;
  Tmux& operator=(const Tmux&) = delete;
  ~Tmux() { call({"kill-server"}); }

  void type_line(const std::string& text) {
    call({"send-keys", "-l", text});
    press("Enter");
  }
  /// By tmux's name of the key: "Enter", "Down", "q".
  void press(const std::string& key) { call({"send-keys", key}); }
  void resize(unsigned columns, unsigned rows) {
    call({"resize-window", "-x", std::to_string(columns), "-y", std::to_string(rows)});
  }
  [[nodiscard]] std::string screen() { return call({"capture-pane", "-p"}).output; }
  /// The screen, once it has this text. Fails when that does not come.
  std::string await(const std::string& text, int seconds = 20) {
    std::string seen;
    for (int tries = 0; tries < seconds * 20; tries++) {
      seen = screen();
      if (seen.find(text) != std::string::npos)
        return seen;
      usleep(50'000);
    }
    FAIL("\"" << text << "\" does not come; the screen is:\n" << seen);
    return seen;
  }

private:
  Finished call(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"tmux", "-L", socket_});
    return run_program(arguments, 20);
  }

  std::string socket_ = "leakbpf-test-" + std::to_string(getpid());
};

} // namespace leakbpf::e2e
