// SPDX-License-Identifier: Apache-2.0
#include "base/start_signals.h"

namespace leakbpf {

namespace {

void ignore(int number, struct sigaction& before) noexcept {
  struct sigaction ignored {};
  ignored.sa_handler = SIG_IGN;
  sigaction(number, &ignored, &before);
}

} // namespace

StartSignals::StartSignals() noexcept {
  pthread_sigmask(SIG_SETMASK, nullptr, &mask_);
  ignore(SIGPIPE, pipe_);
  ignore(SIGXFSZ, file_size_);
}

void StartSignals::restore() const noexcept {
  sigaction(SIGPIPE, &pipe_, nullptr);
  sigaction(SIGXFSZ, &file_size_, nullptr);
  pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
}

SignalsBlocked::SignalsBlocked() noexcept {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before_);
}

SignalsBlocked::~SignalsBlocked() {
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

} // namespace leakbpf
