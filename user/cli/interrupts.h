// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and SIGTERM as a readable descriptor: a run then ends in order.
#pragma once

#include "kernel/unique_fd.h"

#include <csignal>
#include <optional>

#include <sys/signalfd.h>

namespace leakbpf {

class Interrupts {
public:
  /// Make one before any thread is started, so that all of them leave these signals alone.
  Interrupts() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP})
      sigaddset(&set, number);
    pthread_sigmask(SIG_BLOCK, &set, &before_);
    signal(SIGPIPE, SIG_IGN);
    fd_ = UniqueFd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;
  ~Interrupts() {
    // What has arrived was answered by ending in order; it must not strike once it is unblocked.
    while (take()) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Takes a signal that has arrived; nothing when there is none.
  [[nodiscard]] std::optional<signalfd_siginfo> take() {
    signalfd_siginfo arrived{};
    if (read(fd_.get(), &arrived, sizeof(arrived)) != sizeof(arrived))
      return std::nullopt;
    return arrived;
  }
  /// The signal mask to give to a child program.
  [[nodiscard]] const sigset_t& original_mask() const { return before_; }

private:
  sigset_t before_{};
  UniqueFd fd_;
};

} // namespace leakbpf
