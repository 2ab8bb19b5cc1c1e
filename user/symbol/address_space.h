// SPDX-License-Identifier: Apache-2.0
// What was mapped where in one process, over time: a stack is named after its libraries may be
// gone.
#pragma once

#include "target/proc_fs.h"

#include <map>

namespace leakbpf {

class AddressSpace {
public:
  /// Takes over the executable mappings there are now. Older ones stay known until something else
  /// lies at their addresses.
  void update(const std::vector<Mapping>& mappings);
  /// The executable mapping that holds `pc`, or nullptr.
  [[nodiscard]] const Mapping* find(std::uint64_t pc) const;

private:
  void keep_outside(const Mapping& old, const Mapping& replacement);

  std::map<std::uint64_t, Mapping> by_start_;
};

} // namespace leakbpf
