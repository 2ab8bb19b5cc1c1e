// SPDX-License-Identifier: Apache-2.0
#include "session/link_reaper.h"

namespace leakbpf {

LinkReaper::LinkReaper() : thread_([this] { work(); }) {}

LinkReaper::~LinkReaper() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void LinkReaper::close(std::vector<Link> links) {
  {
    const std::lock_guard lock(mutex_);
    for (Link& link : links)
      waiting_.push_back(std::move(link));
  }
  wake_.notify_one();
}

void LinkReaper::work() {
  std::unique_lock lock(mutex_);
  while (!ending_ || !waiting_.empty()) {
    wake_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    std::vector<Link> closing = std::move(waiting_);
    waiting_.clear();
    lock.unlock();
    closing.clear();
    lock.lock();
  }
}

} // namespace leakbpf
