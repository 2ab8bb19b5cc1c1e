// SPDX-License-Identifier: Apache-2.0
// A function of our own that a probe can be tried on.
#pragma once

#include "kernel/attach.h"

#include <cstdint>
#include <memory>
#include <vector>

struct selftest_bpf;

namespace leakbpf {

/// Returns `value` + 1. Begins with `push`, as most functions worth probing do.
std::uint64_t call_selftest_function(std::uint64_t value);

/// Counts entries and returns of that function in one process, until it is destroyed.
class SelftestProbe {
public:
  /// The error's message says what this kernel refuses.
  [[nodiscard]] static Result<SelftestProbe> attach(Backend backend, pid_t pid);
  [[nodiscard]] std::uint64_t hits() const;

private:
  struct Closer {
    void operator()(selftest_bpf* skeleton) const;
  };

  SelftestProbe() = default;

  std::unique_ptr<selftest_bpf, Closer> skeleton_;
  std::vector<Link> links_;
};

} // namespace leakbpf
