// SPDX-License-Identifier: Apache-2.0
#include "plan/probe_plan.h"

namespace leakbpf {

ProbePlan plan_probes(const Allocator& allocator) {
  ProbePlan plan{allocator.file, {}, allocator.mappings_hook};
  for (const AllocatorFunction& found : allocator.functions) {
    ProbePoint point =
        plan_probe_point(found.code, found.file_offset, found.function->probe_need());
    plan.probes.push_back(
        {found.function, found.symbol, found.file_offset + point.offset, std::move(point)});
  }
  return plan;
}

} // namespace leakbpf
