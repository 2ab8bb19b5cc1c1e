// SPDX-License-Identifier: Apache-2.0
// Functions that do nothing but call another: where that one is probed, they need not be.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace leakbpf {

/// Is there something to be found at this distance from the function's first byte?
using CodeTarget = std::function<bool(std::int64_t)>;

/// The function begins with a jump to `wanted`: that one is called with the same arguments.
[[nodiscard]] bool is_jump_to(std::span<const std::uint8_t> code, const CodeTarget& wanted);

struct ForwardingNeed {
  /// Calls whose first argument is zero may return without: delete of a null pointer.
  bool null_may_return = false;
  /// The first argument is as it was at entry.
  bool same_first_argument = false;
};

/// No path through `code`, the bytes of one function, returns or leaves without a direct call of,
/// or jump to, `wanted`. False when that cannot be shown.
[[nodiscard]] bool always_goes_to(std::span<const std::uint8_t> code, const CodeTarget& wanted,
                                  const ForwardingNeed& need);

} // namespace leakbpf
