// SPDX-License-Identifier: Apache-2.0
// Ctrl-C, SIGTERM and SIGHUP: at first they end the process, as they do any other; once something
// is traced they are a readable descriptor, so that a run ends in order.
#pragma once

#include "base/descriptor_limit.h"
#include "base/start_signals.h"
#include "base/unique_fd.h"

#include <leakbpf/result.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <string>

#include <sys/signalfd.h>

namespace leakbpf {

class Interrupts {
public:
  explicit Interrupts(const StartSignals& start) : start_(start) {
    sigemptyset(&set_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP})
      if (number != SIGHUP || !is_ignored(number)) // nohup is meant
        sigaddset(&set_, number);
  }
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;
  ~Interrupts() {
    // What has arrived was answered by ending in order; it must not strike once it is unblocked.
    forget();
    if (fd_)
      pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

  /// A shell has what it starts in the background ignore Ctrl-C; a SIGINT that comes even so was
  /// sent on purpose. To be called once nothing is started any more.
  static void heed_ignored() {
    for (const int number : {SIGINT, SIGTERM})
      if (is_ignored(number))
        signal(number, SIG_DFL);
  }
  /// Takes the descriptor that begin() needs, while there are some: attaching may use up the rest.
  [[nodiscard]] Result<void> prepare() {
    prepared_ = UniqueFd(signalfd(-1, &set_, SFD_CLOEXEC | SFD_NONBLOCK));
    if (prepared_)
      return {};
    if (is_descriptor_shortage(errno))
      return descriptor_shortage(errno);
    return Error{ExitCode::cannot_trace,
                 std::string("cannot wait for signals: ") + std::strerror(errno), ""};
  }
  /// From here on a signal ends nothing by itself. All threads that there are have to leave these
  /// signals alone (SignalsBlocked).
  void begin() {
    pthread_sigmask(SIG_BLOCK, &set_, &before_);
    fd_ = std::move(prepared_);
  }

  /// Readable when a signal has arrived; -1 before begin().
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Takes a signal that has arrived; nothing when there is none.
  [[nodiscard]] std::optional<signalfd_siginfo> take() {
    signalfd_siginfo arrived{};
    if (!fd_ || read(fd_.get(), &arrived, sizeof(arrived)) != sizeof(arrived))
      return std::nullopt;
    return arrived;
  }
  /// Takes all that have arrived. False: there was none.
  bool forget() {
    bool any = false;
    while (take())
      any = true;
    return any;
  }
  /// What programs that are started are to be given back.
  [[nodiscard]] const StartSignals& start() const { return start_; }

private:
  static bool is_ignored(int number) {
    struct sigaction now {};
    return sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
  }

  const StartSignals& start_;
  sigset_t set_{};
  UniqueFd prepared_;
  sigset_t before_{}; ///< the mask before begin()
  UniqueFd fd_;
};

} // namespace leakbpf
