// SPDX-License-Identifier: Apache-2.0
// The stacks that the kernel side walked, and the code that it walked through.
#pragma once

#include <leakbpf/abi.h>
#include <leakbpf/unwind_abi.h>

#include <cstdint>
#include <optional>

namespace leakbpf {

class StackTable {
public:
  virtual ~StackTable() = default;

  /// Program counters, innermost first, and how the walk ended (leakbpf_stack_end).
  [[nodiscard]] virtual std::optional<leakbpf_stack> read_stack(std::uint64_t hash) const = 0;
  /// What the walker knows to be mapped at an address of an address space; nothing when nobody told
  /// it.
  [[nodiscard]] virtual std::optional<leakbpf_mapped_code> code_at(std::uint32_t space,
                                                                   std::uint64_t pc) const = 0;

protected:
  StackTable() = default;
  StackTable(const StackTable&) = default;
  StackTable& operator=(const StackTable&) = default;
  StackTable(StackTable&&) = default;
  StackTable& operator=(StackTable&&) = default;
};

} // namespace leakbpf
