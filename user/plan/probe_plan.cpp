// SPDX-License-Identifier: Apache-2.0
#include "plan/probe_plan.h"

#include "plan/forwarding.h"

#include <algorithm>
#include <cstring>

namespace leakbpf {

namespace {

constexpr std::uint8_t call_near = 0xe8;
constexpr std::uint8_t jump_near = 0xe9;

bool is_heap(const AllocatorFunction& found) {
  return found.function->kind == LEAKBPF_KIND_HEAP;
}

/// Where what stands at a distance from a function's first byte leads, through a stub if that is
/// one.
std::uint64_t place_at(const Allocator& allocator, const AllocatorFunction& from,
                       std::int64_t distance) {
  const std::uint64_t offset = from.file_offset + static_cast<std::uint64_t>(distance);
  const auto stub = allocator.stubs.find(offset);
  return stub == allocator.stubs.end() ? offset : stub->second;
}

/// The heap function of another name there, if it does `operation`.
bool is_there(const Allocator& allocator, const AllocatorFunction& from, std::int64_t distance,
              leakbpf_operation operation) {
  const std::uint64_t place = place_at(allocator, from, distance);
  return std::any_of(allocator.functions.begin(), allocator.functions.end(),
                     [&](const AllocatorFunction& to) {
                       return &to != &from && to.file_offset == place && is_heap(to) &&
                              to.function->operation == operation;
                     });
}

/// Is there a direct call of, or jump to, a function that does `operation`? Looked for at every
/// byte: that four of them tell just such a distance by chance is not to be expected.
bool calls_operation(const Allocator& allocator, const AllocatorFunction& from,
                     leakbpf_operation operation) {
  constexpr std::size_t length = 5;
  for (std::size_t at = 0; at + length <= from.code.size(); at++) {
    if (from.code[at] != call_near && from.code[at] != jump_near)
      continue;
    std::int32_t distance = 0;
    std::memcpy(&distance, from.code.data() + at + 1, sizeof(distance));
    if (is_there(allocator, from, static_cast<std::int64_t>(at + length) + distance, operation))
      return true;
  }
  return false;
}

/// Another function that is probed, or left out for this very reason, sees all that this one does.
bool only_forwards(const Allocator& allocator, const AllocatorFunction& found) {
  const leakbpf_operation operation = found.function->operation;
  const CodeTarget same = [&](std::int64_t distance) {
    return is_there(allocator, found, distance, operation);
  };
  if (!is_heap(found))
    return false;
  if (is_jump_to(found.code, same))
    return true;
  switch (operation) {
  case LEAKBPF_OP_REALLOCATE: // an overflow, which reallocarray looks for, allocates nothing
    return found.function->name == "reallocarray" && calls_operation(allocator, found, operation);
  case LEAKBPF_OP_FREE: // a block inside the one that is given on would not be known
    return always_goes_to(found.code, same, {.null_may_return = true, .same_first_argument = true});
  default:
    return found.function->is_operator() && always_goes_to(found.code, same, {});
  }
}

/// What the function's code tells the kernel side.
std::uint64_t nesting_of(const Allocator& allocator, const AllocatorFunction& found) {
  const auto calls = [&](leakbpf_operation operation) {
    return calls_operation(allocator, found, operation);
  };
  if (!is_heap(found))
    return 0;
  switch (found.function->operation) {
  case LEAKBPF_OP_ALLOCATE:
    return calls(LEAKBPF_OP_ALLOCATE) || calls(LEAKBPF_OP_REALLOCATE) ? LEAKBPF_COOKIE_NESTS : 0;
  case LEAKBPF_OP_REALLOCATE:
    // glibc's moves blocks by itself. Others may do it by calls that are not seen from here.
    if (!allocator.is_glibc)
      return LEAKBPF_COOKIE_NESTS;
    return calls(LEAKBPF_OP_ALLOCATE) ? LEAKBPF_COOKIE_NULL_ALLOCATES : 0;
  default:
    return 0;
  }
}

/// Of a heap function that begins with a jump out of itself, what it jumps to is its body: musl's
/// malloc, which no frame of a stack shows.
std::vector<CodeRange> body_elsewhere(const Allocator& allocator, const AllocatorFunction& found) {
  const std::vector<std::uint8_t>* body = nullptr;
  std::uint64_t begin = 0;
  const CodeTarget any = [&](std::int64_t distance) {
    begin = place_at(allocator, found, distance);
    const auto at = allocator.jump_targets.find(begin);
    body = at == allocator.jump_targets.end() ? nullptr : &at->second;
    return body != nullptr;
  };
  if (!is_jump_to(found.code, any))
    return {};
  std::vector<CodeRange> ranges = reached_code(*body);
  for (CodeRange& range : ranges)
    range = {range.begin + begin, range.end + begin};
  std::erase_if(ranges, [&](const CodeRange& range) { // it goes on in one that maps memory
    return std::any_of(allocator.functions.begin(), allocator.functions.end(),
                       [&](const AllocatorFunction& other) {
                         return !is_heap(other) && range.begin <= other.file_offset &&
                                other.file_offset < range.end;
                       });
  });
  return ranges;
}

} // namespace

ProbePlan plan_probes(const Allocator& allocator) {
  ProbePlan plan{allocator.file, {}, allocator.is_glibc, {}, allocator.mappings_hook};
  for (const AllocatorFunction& found : allocator.functions) {
    if (is_heap(found)) {
      plan.heap_functions.push_back({found.file_offset, found.file_offset + found.code.size()});
      const std::vector<CodeRange> body = body_elsewhere(allocator, found);
      plan.heap_functions.insert(plan.heap_functions.end(), body.begin(), body.end());
    }
    if (only_forwards(allocator, found))
      continue;
    ProbePoint point =
        plan_probe_point(found.code, found.file_offset, found.function->probe_need());
    plan.probes.push_back({found.function, found.symbol,
                           found.function->cookie | nesting_of(allocator, found),
                           found.file_offset + point.offset, std::move(point)});
  }
  return plan;
}

} // namespace leakbpf
