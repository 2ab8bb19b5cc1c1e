// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "reach/reach_search.h"
#include "target/proc_fs.h"

#include <map>
#include <span>
#include <string>
#include <utility>

namespace leakbpf {

/// Says in words where pointers of one process lie. Opens files, and keeps what it found.
class HolderNames {
public:
  HolderNames(const ProcFs& proc, pid_t pid) : proc_(proc), pid_(pid) {}

  /// "global `sessions` (shop)", "thread 4242's stack", "memory mapped by the program". `mappings`
  /// in which the holder was found.
  [[nodiscard]] std::string name(const Holder& holder, std::span<const Mapping> mappings);

private:
  [[nodiscard]] std::string variable(std::uint64_t address, std::span<const Mapping> mappings);
  [[nodiscard]] std::string find_variable(const Mapping& file, std::uint64_t address) const;

  const ProcFs& proc_;
  pid_t pid_;
  std::map<std::uint64_t, std::string> variables_; ///< by address
};

} // namespace leakbpf
