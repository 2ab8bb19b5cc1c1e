// SPDX-License-Identifier: Apache-2.0
// Follows the straight line of a small function in a live process, to see what it hands on.
#pragma once

#include "base/process_memory.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace leakbpf {

/// What a register holds, as far as it can be told without running the code.
struct KnownValue {
  enum class What { nothing, value, loaded } what = What::nothing;
  std::uint64_t value = 0; ///< of `loaded`: the address of the 32 bits it was loaded from
};

/// The first argument (rdi) at the first call or jump to which it is known. `code` lies at
/// `address` in the process.
[[nodiscard]] std::optional<KnownValue> follow_first_argument(std::span<const std::uint8_t> code,
                                                              std::uint64_t address,
                                                              const ProcessMemory& memory);

/// Where the first jump through a pointer goes, when the pointer can be found.
[[nodiscard]] std::optional<std::uint64_t> follow_to_jump(std::span<const std::uint8_t> code,
                                                          std::uint64_t address,
                                                          const ProcessMemory& memory);

} // namespace leakbpf
