// SPDX-License-Identifier: Apache-2.0
// Runs a BPF program at page faults.
#pragma once

#include "kernel/attach.h"
#include "kernel/unique_fd.h"

#include <cstdint>
#include <vector>

namespace leakbpf {

class PageFaults {
public:
  PageFaults() = default;
  /// Runs `program` at each page fault of each process, as long as the object lives.
  [[nodiscard]] static Result<PageFaults> attach(const bpf_program* program);

  /// How many there were since then: those too at which the kernel did not run the program.
  [[nodiscard]] std::uint64_t count() const;

private:
  [[nodiscard]] Result<void> attach_cpu(const bpf_program* program, int cpu);

  std::vector<Link> links_;
  std::vector<UniqueFd> events_; ///< the links' too
};

} // namespace leakbpf
