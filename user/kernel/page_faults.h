// SPDX-License-Identifier: Apache-2.0
// Runs a BPF program at page faults.
#pragma once

#include "base/unique_fd.h"
#include "kernel/attach.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace leakbpf {

class PageFaults {
public:
  PageFaults() = default;
  /// Runs `program` at each page fault of each process, as long as the object lives.
  [[nodiscard]] static Result<PageFaults> attach(const bpf_program* program);

  /// How many there were since then: those too at which the kernel did not run the program.
  /// Nothing when that cannot be read.
  [[nodiscard]] std::optional<std::uint64_t> count() const;

private:
  [[nodiscard]] Result<void> attach_cpu(const bpf_program* program, int cpu);

  std::vector<Link> links_;
  std::vector<UniqueFd> events_; ///< the links' too
};

} // namespace leakbpf
