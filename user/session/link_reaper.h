// SPDX-License-Identifier: Apache-2.0
// Closes links on a thread of its own, since the kernel waits for a grace period with each.
#pragma once

#include "kernel/attach.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace leakbpf {

class LinkReaper {
public:
  LinkReaper();
  LinkReaper(const LinkReaper&) = delete;
  LinkReaper& operator=(const LinkReaper&) = delete;
  /// Returns when every link is closed.
  ~LinkReaper();

  void close(std::vector<Link> links);

private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Link> waiting_;
  bool ending_ = false;
  std::thread thread_;
};

} // namespace leakbpf
