// SPDX-License-Identifier: Apache-2.0
#include "session/link_reaper.h"

#include "base/start_signals.h"

#include <system_error>
#include <utility>

namespace leakbpf {

namespace {

constexpr std::size_t most_threads = 64;

} // namespace

LinkReaper::~LinkReaper() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_)
    thread.join();
}

void LinkReaper::close(std::vector<Link> links) {
  if (links.empty())
    return;
  {
    const std::lock_guard lock(mutex_);
    for (Link& link : links)
      waiting_.push_back(std::move(link));
    start_threads();
  }
  wake_.notify_all();
}

/// As many as there are links that no idle one can take.
void LinkReaper::start_threads() {
  const SignalsBlocked blocked;
  while (threads_.size() < most_threads && idle_ < waiting_.size()) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) { // no more threads are allowed: those that run take longer
      if (threads_.empty())
        waiting_.clear();
      return;
    }
    idle_++;
  }
}

/// A thread counts as idle from its start on, and while it waits.
void LinkReaper::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty())
      return;
    idle_--;
    {
      const Link closing = std::move(waiting_.back());
      waiting_.pop_back();
      lock.unlock();
    }
    lock.lock();
    idle_++;
  }
}

} // namespace leakbpf
