// SPDX-License-Identifier: Apache-2.0
#include "plan/probe_plan.h"

#include <algorithm>
#include <cstring>

namespace leakbpf {

namespace {

constexpr std::uint8_t call_near = 0xe8;
constexpr std::uint8_t jump_near = 0xe9;

bool is_heap(const AllocatorFunction& found) {
  return found.function->kind == LEAKBPF_KIND_HEAP;
}

/// Is there a direct call of, or jump to, `to` in the code? Looked for at every byte: that four of
/// them tell just this distance by chance is not to be expected.
bool calls(const AllocatorFunction& from, const AllocatorFunction& to) {
  constexpr std::size_t length = 5;
  for (std::size_t at = 0; at + length <= from.code.size(); at++) {
    if (from.code[at] != call_near && from.code[at] != jump_near)
      continue;
    std::int32_t distance = 0;
    std::memcpy(&distance, from.code.data() + at + 1, sizeof(distance));
    if (from.file_offset + at + length + static_cast<std::uint64_t>(std::int64_t{distance}) ==
        to.file_offset)
      return true;
  }
  return false;
}

bool calls_operation(const Allocator& allocator, const AllocatorFunction& from,
                     leakbpf_operation operation) {
  return std::any_of(allocator.functions.begin(), allocator.functions.end(),
                     [&](const AllocatorFunction& to) {
                       return &to != &from && is_heap(to) && to.function->operation == operation &&
                              calls(from, to);
                     });
}

} // namespace

ProbePlan plan_probes(const Allocator& allocator) {
  ProbePlan plan{allocator.file, {}, allocator.is_glibc, {}, allocator.mappings_hook};
  for (const AllocatorFunction& found : allocator.functions) {
    const leakbpf_operation operation = found.function->operation;
    if (is_heap(found))
      plan.heap_functions.push_back({found.file_offset, found.file_offset + found.code.size()});
    if (operation == LEAKBPF_OP_REALLOCATE &&
        calls_operation(allocator, found, LEAKBPF_OP_REALLOCATE))
      continue;
    const bool allocates =
        is_heap(found) && (operation == LEAKBPF_OP_ALLOCATE || operation == LEAKBPF_OP_REALLOCATE);
    const bool nests = allocates && calls_operation(allocator, found, LEAKBPF_OP_ALLOCATE);
    ProbePoint point =
        plan_probe_point(found.code, found.file_offset, found.function->probe_need());
    plan.probes.push_back({found.function, found.symbol,
                           found.function->cookie | (nests ? LEAKBPF_COOKIE_NESTS : 0),
                           found.file_offset + point.offset, std::move(point)});
  }
  return plan;
}

} // namespace leakbpf
