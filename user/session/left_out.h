// SPDX-License-Identifier: Apache-2.0
// Processes that no descriptors were left for: counted, and told of once.
#pragma once

#include <leakbpf/result.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>

#include <sys/types.h>

namespace leakbpf {

class LeftOut {
public:
  /// `loss` counts them, and outlives this.
  LeftOut(std::function<void(const std::string&)> warn, std::uint64_t& loss)
      : warn_(std::move(warn)), loss_(loss) {}

  [[nodiscard]] bool any() const { return !pids_.empty(); }
  /// False: it failed for another reason than for want of descriptors.
  bool count(pid_t pid, const Error& error);
  /// Of one more process that could not be attached to, or not everywhere. Of those that no
  /// descriptors are left for the first stands for all: they are counted.
  void tell(pid_t pid, const Error& error);
  /// Of the `all` processes that there were at the start.
  void tell_all(std::size_t all) const;

private:
  std::function<void(const std::string&)> warn_;
  std::uint64_t& loss_;
  std::set<pid_t> pids_;
};

} // namespace leakbpf
