// SPDX-License-Identifier: Apache-2.0
// What the kernel side counted beside sites.
#pragma once

#include <leakbpf/abi.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace leakbpf {

class KernelCounts {
public:
  virtual ~KernelCounts() = default;

  [[nodiscard]] virtual leakbpf_counters read_counters() const = 0;
  /// What the target did, and others whose ids share its slot, summed over CPUs; about right.
  [[nodiscard]] virtual leakbpf_activity activity(std::uint32_t target) const = 0;
  /// The same of all targets there ever were.
  [[nodiscard]] virtual leakbpf_activity total_activity() const = 0;
  /// Of all slots (LEAKBPF_ACTIVITY_SLOTS), and, behind them, of processes that are no targets and
  /// hit shared probes.
  [[nodiscard]] virtual std::vector<leakbpf_activity> activities() const = 0;
  /// What Python's garbage collector did since it was attached to; nothing when it has not run.
  [[nodiscard]] virtual std::optional<leakbpf_collections>
  collections(std::uint32_t target) const = 0;
  /// The target has ended: the kernel side need not remember.
  virtual void forget_collections(std::uint32_t target) = 0;
  /// The state of Python's allocator that the first new pool's function was given.
  [[nodiscard]] virtual std::optional<std::uint64_t> python_heap(std::uint32_t target) const = 0;
  /// How often code objects at addresses like this one died (leakbpf/python_abi.h).
  [[nodiscard]] virtual std::uint32_t code_deaths(std::uint32_t target,
                                                  std::uint64_t address) const = 0;

protected:
  KernelCounts() = default;
  KernelCounts(const KernelCounts&) = default;
  KernelCounts& operator=(const KernelCounts&) = default;
  KernelCounts(KernelCounts&&) = default;
  KernelCounts& operator=(KernelCounts&&) = default;
};

} // namespace leakbpf
