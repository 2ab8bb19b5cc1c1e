// SPDX-License-Identifier: Apache-2.0
// The functions that take memory and give it back: what each does, and what a probe on it must see.
#pragma once

#include "plan/probe_point.h"

#include <leakbpf/abi.h>

#include <span>
#include <string_view>

namespace leakbpf {

/// One allocation function.
struct AllocationFunction {
  std::string_view name;
  leakbpf_operation operation;
  std::uint64_t cookie;
  std::uint8_t arguments; ///< bit i: argument i is read at entry (ProbeNeed::arguments)
  leakbpf_kind kind;

  /// One of C++'s operators new and delete, by its mangled name.
  [[nodiscard]] constexpr bool is_operator() const { return name.starts_with("_Z"); }
  /// Its result matters, so its return is probed too.
  [[nodiscard]] constexpr bool has_return() const { return operation != LEAKBPF_OP_FREE; }
  [[nodiscard]] constexpr ProbeNeed probe_need() const {
    return ProbeNeed{arguments, true, operation == LEAKBPF_OP_FREE};
  }
};

/// Every function that may be probed. strdup, asprintf and the like are not among them: they call
/// these, and each allocation is counted once. C++'s operators mostly do, too: find_allocator() has
/// the exceptions.
[[nodiscard]] std::span<const AllocationFunction> allocation_functions();

/// CPython's allocate_from_new_pool, for pools of `pool_bytes`: 4 or 16 KiB.
[[nodiscard]] const AllocationFunction& python_pool_function(std::uint32_t pool_bytes);

/// nullptr when `name` is not one of them.
[[nodiscard]] const AllocationFunction* find_allocation_function(std::string_view name);

/// The same for a name by which an allocator can be told from others: of jemalloc ("je_malloc",
/// "_rjem_malloc", as it is built for one program alone), of tcmalloc and of mimalloc.
[[nodiscard]] const AllocationFunction* find_prefixed_function(std::string_view name);

} // namespace leakbpf
