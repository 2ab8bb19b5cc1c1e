// SPDX-License-Identifier: Apache-2.0
// The probes of one allocator file: which instruction of each function gets one.
#pragma once

#include "plan/allocators.h"
#include "plan/code_extent.h"
#include "plan/probe_point.h"

namespace leakbpf {

struct PlannedProbe {
  const AllocationFunction* function = nullptr;
  std::string symbol;
  std::uint64_t cookie = 0;
  std::uint64_t file_offset = 0; ///< of the probed instruction
  ProbePoint point;
};

struct ProbePlan {
  MappedFile file;
  std::vector<PlannedProbe> probes;
  bool is_glibc = false;                      ///< as of Allocator
  std::vector<CodeRange> heap_functions;      ///< what maps memory in these maps it for the heap
  std::optional<std::uint64_t> mappings_hook; ///< as of Allocator
};

/// A function that only hands its call on to another is left out (reallocarray to realloc, operator
/// new to malloc), so that each call costs one probe, and whether a block is followed is decided
/// once.
[[nodiscard]] ProbePlan plan_probes(const Allocator& allocator);

} // namespace leakbpf
