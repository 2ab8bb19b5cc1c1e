// SPDX-License-Identifier: Apache-2.0
// For tests of what glibc's malloc keeps in memory.
#pragma once

#include <cstdlib>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool has_glibc_malloc = false;
#elif defined(__GLIBC__)
inline constexpr bool has_glibc_malloc = true;
#else
inline constexpr bool has_glibc_malloc = false;
#endif

inline void skip_without_glibc_malloc() {
  if (!has_glibc_malloc)
    SKIP("this program's malloc is not glibc's");
}

} // namespace leakbpf
