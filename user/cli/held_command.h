// SPDX-License-Identifier: Apache-2.0
// A child process that becomes a command when it is let go: until then it can be got ready to be
// traced from the command's first instruction.
#pragma once

#include "base/start_signals.h"
#include "base/unique_fd.h"

#include <leakbpf/result.h>

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace leakbpf {

/// What becomes of it when leakbpf is killed.
enum class Orphan : bool { lives_on, ends };

class HeldCommand {
public:
  /// It is given `signals` and `environment` ("NAME=VALUE", added to ours). To be called before
  /// there are threads.
  [[nodiscard]] static Result<HeldCommand> start(const std::vector<std::string>& command,
                                                 const StartSignals& signals,
                                                 const std::vector<std::string>& environment,
                                                 Orphan orphan = Orphan::lives_on);
  HeldCommand(HeldCommand&& other) noexcept;
  HeldCommand& operator=(HeldCommand&&) = delete;
  /// Ends it, when it was not let go.
  ~HeldCommand();

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Fails when there is no such command, or when `interrupt_fd` is readable before it runs.
  [[nodiscard]] Result<void> release(int interrupt_fd);
  /// Its status was not taken yet: /proc still tells its name.
  [[nodiscard]] bool has_ended() const;
  /// Its wait status once it has ended; does not wait.
  [[nodiscard]] std::optional<int> ended();

private:
  HeldCommand(pid_t pid, std::string name, UniqueFd go, UniqueFd failure)
      : pid_(pid), name_(std::move(name)), go_(std::move(go)), failure_(std::move(failure)) {}

  pid_t pid_;
  std::string name_;
  UniqueFd go_;      ///< a byte lets it go; its end without one ends it
  UniqueFd failure_; ///< the error number of an exec that failed
  bool released_ = false;
};

/// Kills a child and collects it, if it goes within a second.
void end_child(pid_t pid);

/// The file that a command's name stands for: as the shell finds it, by PATH. Empty: none.
[[nodiscard]] std::string find_command(const std::string& name);

} // namespace leakbpf
