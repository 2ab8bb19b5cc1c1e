// SPDX-License-Identifier: Apache-2.0
// A site as the kernel side counts it, and from that to what its totals are.
#pragma once

#include "core/site.h"
#include "core/window_state.h"

#include <leakbpf/abi.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace leakbpf {

/// What the kernel side calls a site: by a hash of the addresses on the stack. The same frames have
/// several such hashes, when mappings changed or a walk was finished in user space; a SiteKey has
/// the hash of the places.
struct KernelKey {
  std::uint32_t target = 0;
  leakbpf_kind kind = LEAKBPF_KIND_HEAP;
  std::uint64_t stack = 0;

  friend auto operator<=>(const KernelKey&,
                          const KernelKey&) = default; // NOLINT(modernize-use-nullptr)
};

struct KernelKeyHash {
  std::size_t operator()(const KernelKey& key) const noexcept {
    return SiteKeyHash()({key.target, key.kind, key.stack});
  }
};

struct SiteSample {
  leakbpf_site_key key{};
  leakbpf_site_totals totals{}; ///< summed over CPUs; young ones: of the latest window
};

[[nodiscard]] KernelKey key_of(const SiteSample& sample);
/// Of a block of live memory.
[[nodiscard]] KernelKey key_of(const leakbpf_block_key& place, std::uint64_t stack);

/// In whole bytes and blocks.
[[nodiscard]] SiteTotals totals_of(const SiteSample& sample);

/// The same at the end of `window`. Of its young blocks all are known then, not one in `scale`:
/// they stand for themselves until the next window.
[[nodiscard]] SiteTotals estimate_of(const SiteSample& sample, const WindowState& window);

} // namespace leakbpf
