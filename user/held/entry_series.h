// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace leakbpf {

/// Numbers of entries, or of objects, and seconds at which they were read.
struct EntrySeries {
  std::vector<double> times;
  std::vector<std::uint64_t> entries;
};

} // namespace leakbpf
