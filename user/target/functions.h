// SPDX-License-Identifier: Apache-2.0
// The functions that take memory and give it back: what each does, and what a probe on it must see.
#pragma once

#include "plan/probe_point.h"

#include <leakbpf/abi.h>

#include <span>
#include <string_view>

namespace leakbpf {

/// One allocation function of the libc family.
struct AllocationFunction {
  std::string_view name;
  leakbpf_operation operation;
  std::uint64_t cookie;
  std::uint8_t arguments; ///< bit i: argument i is read at entry (ProbeNeed::arguments)
  leakbpf_kind kind;

  /// Its result matters, so its return is probed too.
  [[nodiscard]] constexpr bool has_return() const { return operation != LEAKBPF_OP_FREE; }
  [[nodiscard]] constexpr ProbeNeed probe_need() const {
    return ProbeNeed{arguments, true, operation == LEAKBPF_OP_FREE};
  }
};

/// Every function that is probed. C++ operator new and delete, strdup, asprintf and the like are
/// not among them: they call these, and each allocation is counted once.
[[nodiscard]] std::span<const AllocationFunction> allocation_functions();

/// CPython's allocate_from_new_pool, for pools of `pool_bytes`: 4 or 16 KiB.
[[nodiscard]] const AllocationFunction& python_pool_function(std::uint32_t pool_bytes);

/// nullptr when `name` is not one of them.
[[nodiscard]] const AllocationFunction* find_allocation_function(std::string_view name);

} // namespace leakbpf
