// SPDX-License-Identifier: Apache-2.0
// Closes links on threads of its own, since the kernel waits for a grace period with each. Those
// that are closed at the same time share it: many links go about as fast as one.
#pragma once

#include "kernel/attach.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace leakbpf {

class LinkReaper {
public:
  LinkReaper() = default;
  LinkReaper(const LinkReaper&) = delete;
  LinkReaper& operator=(const LinkReaper&) = delete;
  /// Returns when every link is closed.
  ~LinkReaper();

  void close(std::vector<Link> links);

private:
  void work();
  void start_threads();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Link> waiting_; ///< closed from the end
  bool ending_ = false;
  std::size_t idle_ = 0;             ///< threads that wait for links
  std::vector<std::thread> threads_; ///< started when there is work for them
};

} // namespace leakbpf
