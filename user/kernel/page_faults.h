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
  /// Opens what `attach` needs. It is not counted and costs nothing before that: later, rights may
  /// have been given up.
  [[nodiscard]] static Result<PageFaults> open();
  /// Runs `program` at each page fault of each process, as long as the object lives.
  [[nodiscard]] Result<void> attach(const bpf_program* program);
  [[nodiscard]] bool is_open() const { return !events_.empty(); }

  /// How many there were since then: those too at which the kernel did not run the program.
  /// Nothing when that cannot be read.
  [[nodiscard]] std::optional<std::uint64_t> count() const;

private:
  std::vector<Link> links_;
  std::vector<UniqueFd> events_; ///< one for each CPU; the links' too
};

} // namespace leakbpf
