// SPDX-License-Identifier: Apache-2.0
// The probes of one allocator file: which instruction of each function gets one.
#pragma once

#include "plan/probe_point.h"
#include "target/allocators.h"

namespace leakbpf {

struct PlannedProbe {
  const AllocationFunction* function = nullptr;
  std::string symbol;
  std::uint64_t file_offset = 0; ///< of the probed instruction
  ProbePoint point;
};

struct ProbePlan {
  MappedFile file;
  std::vector<PlannedProbe> probes;
  std::optional<std::uint64_t> mappings_hook; ///< as of Allocator
};

[[nodiscard]] ProbePlan plan_probes(const Allocator& allocator);

} // namespace leakbpf
