// SPDX-License-Identifier: Apache-2.0
#include "core/report.h"

#include <fmt/format.h>

namespace leakbpf {

std::string long_pause(const TargetReport& target) {
  constexpr double worth_telling = 0.5;
  if (!target.python || !target.python->collections ||
      target.python->collections->longest_seconds <= worth_telling)
    return "";
  return fmt::format("Python's garbage collector stopped the program for up to {:.0f} ms",
                     target.python->collections->longest_seconds * 1e3);
}

} // namespace leakbpf
