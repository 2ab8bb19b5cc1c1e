// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace leakbpf {

inline constexpr double megabyte = 1024.0 * 1024.0;

} // namespace leakbpf
