// SPDX-License-Identifier: Apache-2.0
// What the process was started with, and what it does about signals that come of writing.
#pragma once

#include <csignal>

namespace leakbpf {

/// Has a write to a pipe without a reader, or beyond the limit on file sizes, fail instead of
/// ending the process. Keeps the signal mask and the dispositions for programs that are started.
class StartSignals {
public:
  StartSignals() noexcept;

  /// In a child, between fork and exec: all as it was.
  void restore() const noexcept;

private:
  sigset_t mask_{};
  struct sigaction pipe_ {};
  struct sigaction file_size_ {};
};

/// Threads that are started meanwhile leave all signals to others.
class SignalsBlocked {
public:
  SignalsBlocked() noexcept;
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked();

private:
  sigset_t before_{};
};

} // namespace leakbpf
