// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and SIGTERM as a readable descriptor: a run then ends in order.
#pragma once

#include "kernel/unique_fd.h"

#include <csignal>

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
    signalfd_siginfo arrived{};
    while (read(fd_.get(), &arrived, sizeof(arrived)) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

  [[nodiscard]] int fd() const { return fd_.get(); }
  /// The signal mask to give to a child program.
  [[nodiscard]] const sigset_t& original_mask() const { return before_; }

private:
  sigset_t before_{};
  UniqueFd fd_;
};

} // namespace leakbpf
