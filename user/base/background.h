// SPDX-License-Identifier: Apache-2.0
// Work that may have to wait without an end, such as a write to a reader that has stopped: it has a
// thread of its own, which can be left behind.
#pragma once

#include "base/event.h"
#include "base/start_signals.h"
#include "base/unique_fd.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>

namespace leakbpf {

template <class T> class Background {
public:
  /// Starts `work`, which owns all that it uses: it may go on when nobody waits for it any more.
  /// Throws std::system_error where there can be no more threads.
  explicit Background(std::function<T()> work) : shared_(std::make_shared<Shared>()) {
    if (!shared_->done)
      throw std::system_error(errno, std::generic_category(), "cannot make an event");
    shared_->work = std::move(work);
    const SignalsBlocked blocked;
    std::thread([shared = shared_] { shared->run(); }).detach();
  }

  [[nodiscard]] bool is_done() const { return wait(0); }
  /// Waits for the end of the work for so long; -1: without an end. True: it is done.
  [[nodiscard]] bool wait(int milliseconds) const {
    return wait_for(-1, milliseconds) == Woken::done;
  }
  /// Waits for the end of the work, but no longer than a moment after `interrupt_fd` is readable:
  /// what can be written at once is written even so.
  [[nodiscard]] bool wait_unless(int interrupt_fd) const {
    constexpr int moment_ms = 500;
    return wait_for(interrupt_fd, -1) == Woken::done || wait(moment_ms);
  }
  /// What came of it, once it is done; throws what the work threw.
  T take() {
    const std::scoped_lock lock(shared_->mutex);
    if (shared_->thrown)
      std::rethrow_exception(shared_->thrown);
    return std::move(*shared_->result);
  }

private:
  enum class Woken : std::uint8_t { done, interrupted, late };

  struct Shared {
    UniqueFd done{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    std::function<T()> work;
    std::mutex mutex;
    std::optional<T> result;
    std::exception_ptr thrown;

    void run() {
      std::optional<T> came;
      std::exception_ptr caught;
      try {
        came.emplace(work());
      } catch (...) {
        caught = std::current_exception();
      }
      {
        const std::scoped_lock lock(mutex);
        result = std::move(came);
        thrown = caught;
      }
      signal_event(done);
    }
  };

  [[nodiscard]] Woken wait_for(int interrupt_fd, int milliseconds) const {
    for (;;) {
      std::array<pollfd, 2> fds{pollfd{shared_->done.get(), POLLIN, 0},
                                pollfd{interrupt_fd, POLLIN, 0}};
      const int ready = poll(fds.data(), fds.size(), milliseconds);
      if (fds[0].revents != 0)
        return Woken::done;
      if (fds[1].revents != 0)
        return Woken::interrupted;
      if (ready == 0)
        return Woken::late;
    }
  }

  std::shared_ptr<Shared> shared_;
};

} // namespace leakbpf
