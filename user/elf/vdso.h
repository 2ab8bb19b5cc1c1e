// SPDX-License-Identifier: Apache-2.0
// The kernel's vDSO as an ELF image.
#pragma once

#include <cstddef>
#include <span>

namespace leakbpf {

/// Our own, which serves for every 64-bit process of this kernel. Empty when there is none.
[[nodiscard]] std::span<const char> vdso_image();

} // namespace leakbpf
