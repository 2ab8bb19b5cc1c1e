// SPDX-License-Identifier: Apache-2.0
// Between the thread that traces and the one that shows: neither waits for the other.
#pragma once

#include "base/event.h"
#include "base/unique_fd.h"
#include "core/report.h"
#include "view/view.h"

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <sys/eventfd.h>

namespace leakbpf {

class ViewExchange {
public:
  /// What the tracing side has for the view.
  struct News {
    std::shared_ptr<const Report> report; ///< the latest; null: none since the last time
    std::vector<std::string> messages;
    bool ends = false; ///< the view is to close
  };

  /// False: there are no descriptors left.
  [[nodiscard]] bool works() const { return static_cast<bool>(news_) && static_cast<bool>(sent_); }

  void publish(std::shared_ptr<const Report> report) {
    const std::scoped_lock lock(mutex_);
    waiting_.report = std::move(report);
    signal_event(news_);
  }
  void tell(std::string message) {
    const std::scoped_lock lock(mutex_);
    waiting_.messages.push_back(std::move(message));
    signal_event(news_);
  }
  void end() {
    const std::scoped_lock lock(mutex_);
    waiting_.ends = true;
    signal_event(news_);
  }
  /// Readable when there are some.
  [[nodiscard]] int news_fd() const { return news_.get(); }
  [[nodiscard]] News take_news() {
    const std::scoped_lock lock(mutex_);
    clear(news_);
    return std::exchange(waiting_, {});
  }

  void send(ViewCommand command) {
    const std::scoped_lock lock(mutex_);
    commands_.push_back(std::move(command));
    signal_event(sent_);
  }
  /// Readable when there are some.
  [[nodiscard]] int command_fd() const { return sent_.get(); }
  [[nodiscard]] std::vector<ViewCommand> take_commands() {
    const std::scoped_lock lock(mutex_);
    clear(sent_);
    return std::exchange(commands_, {});
  }

private:
  static void clear(const UniqueFd& event) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = read(event.get(), &count, sizeof count);
  }

  UniqueFd news_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  UniqueFd sent_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::mutex mutex_;
  News waiting_;
  std::vector<ViewCommand> commands_;
};

} // namespace leakbpf
