// SPDX-License-Identifier: Apache-2.0
// Any bytes as the code of a function: the chosen place lies inside it.
#include "plan/probe_point.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const bool null_may_skip : {false, true}) {
    const auto point =
        leakbpf::plan_probe_point({data, size}, 0x1000, {0b111111, true, null_may_skip});
    if (point.offset != 0 && point.offset >= size)
      std::abort();
  }
  return 0;
}
